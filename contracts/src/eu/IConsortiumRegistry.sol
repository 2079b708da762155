// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IParties} from "../registry/IParties.sol";
import {NewParty, PartyId} from "../registry/IRules.sol";

/// @title The consortium of the EU chain
/// @notice Its members seat the authorities of each state, and say who validates and who writes on which chain: the only source of
/// validator sets. Rows 1 and 2 of the rules (CSA 58, 62). Nobody owns it: whatever changes is voted on.
interface IConsortiumRegistry is IParties {
    /// @notice What members vote on.
    enum ChangeKind {
        Seat,
        Remove,
        ReplaceKey,
        Admit,
        Dismiss,
        Validators,
        Writers,
        Upgrade
    }

    /// @notice Who validates and who writes on a chain: addresses on EVM chains, hashes of identities elsewhere.
    struct ChainSet {
        bytes32 chain;
        bytes32[] validators;
        bytes32[] writers;
        uint256 minimum;
    }

    /// @notice A member has proposed a change, and agreed with it.
    event ChangeProposed(uint256 indexed number, ChangeKind kind, PartyId indexed by, bytes change);
    /// @notice A member has agreed.
    event ChangeConfirmed(uint256 indexed number, PartyId indexed by);
    /// @notice Enough have agreed, and the change was made.
    event ChangeMade(uint256 indexed number, ChangeKind kind, PartyId indexed by);
    /// @notice The validators of a chain are others.
    event ValidatorsChanged(bytes32 indexed chain, bytes32[] added, bytes32[] removed);
    /// @notice The writers of a chain are others.
    event WritersChanged(bytes32 indexed chain, bytes32[] added, bytes32[] removed);
    /// @notice The members want this code for a contract.
    event UpgradeApproved(bytes32 indexed contractId, bytes32 code);

    /// @notice Row 1: an authority of the caller's own state.
    function proposeSeat(NewParty calldata authority) external returns (uint256 number);

    /// @notice Row 1: an authority of the caller's own state is to be none any more.
    function proposeRemoval(PartyId authority, bytes32 act) external returns (uint256 number);

    /// @notice Row 1: another key for an authority of the caller's own state that has lost one.
    function proposeKey(PartyId authority, address lost, address key, bytes32 act) external returns (uint256 number);

    /// @notice Row 2: another member.
    function proposeAdmission(NewParty calldata member) external returns (uint256 number);

    /// @notice Row 2: a member is to be none any more.
    function proposeDismissal(PartyId member, bytes32 act) external returns (uint256 number);

    /// @notice Row 2: validators of a chain that come and go.
    function proposeValidators(bytes32 chain, bytes32[] calldata add, bytes32[] calldata remove)
        external
        returns (uint256 number);

    /// @notice Row 2: writers of a chain that come and go.
    function proposeWriters(bytes32 chain, bytes32[] calldata add, bytes32[] calldata remove)
        external
        returns (uint256 number);

    /// @notice Row 2: the code that a contract is to have.
    function proposeUpgrade(bytes32 contractId, bytes32 code) external returns (uint256 number);

    /// @notice Agrees with a proposal, once a member; with the last one that it takes, the change is made.
    function vote(uint256 number) external;

    /// @notice Who votes: members, their share that must agree, and for how long.
    function consortium()
        external
        view
        returns (uint64 members, uint64 numerator, uint64 denominator, uint64 period, uint256 proposals);

    /// @notice How many members must agree now.
    function quorum() external view returns (uint256);

    /// @notice A proposal, and who has agreed.
    function proposal(uint256 number)
        external
        view
        returns (ChangeKind kind, PartyId by, uint64 until, bool isDone, PartyId[] memory votes, bytes memory change);

    /// @notice Who validates a chain.
    function validatorsOf(bytes32 chain) external view returns (bytes32[] memory);

    /// @notice How few may validate a chain; 0 where it is not known.
    function minimumOf(bytes32 chain) external view returns (uint256);

    /// @notice Who writes on a chain.
    function writersOf(bytes32 chain) external view returns (bytes32[] memory);
}
