// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IAttestors} from "../registry/IAttestors.sol";
import {IParties} from "../registry/IParties.sol";
import {Country, NewParty, PartyId, PartyKind} from "../registry/IRules.sol";

/// @title The parties of a national chain
/// @notice Its authorities as the EU chain has seated them, and those whom they register. Rows 6 and 13 of the rules.
interface IPartyRegistry is IParties, IAttestors {
    /// @notice Which of a state's chains this is.
    enum ChainKind {
        Artifact,
        Certification,
        Vulnerability
    }

    /// @notice Row 13: the NCCA registers manufacturers and holders, the coordinator providers; of any country. Row 6: the
    /// accreditation body registers bodies of its own, and the NCCA its certification body.
    function registerParty(NewParty calldata party) external;

    /// @notice A party of another chain; never over one that was registered here.
    function attestParty(
        PartyId id,
        PartyKind kind,
        Country country,
        bytes32 act,
        bool isActive,
        address[] calldata keys
    ) external;

    /// @notice Which chain of which state this is.
    function chain() external view returns (ChainKind kind, Country country);

    /// @notice The account that brings facts of other chains with a proof; zero where there is none.
    function inbox() external view returns (address);
}
