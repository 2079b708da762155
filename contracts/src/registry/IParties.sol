// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Country, IRules, PartyId, PartyKind, Provenance} from "./IRules.sol";

/// @title Parties and their keys
/// @notice A key is of one party for ever. Whoever registered a party vouches for its keys, and replaces one that was lost.
interface IParties is IRules {
    /// @notice A party was entered, with its first key.
    event PartyRegistered(
        PartyId indexed party,
        PartyKind kind,
        Country country,
        PartyId indexed registrar,
        address indexed key,
        bytes32 act
    );
    /// @notice A party has one key more.
    event KeyAdded(PartyId indexed party, address indexed key, PartyId indexed by);
    /// @notice A key does nothing any more.
    event KeyRevoked(PartyId indexed party, address indexed key, PartyId indexed by);

    /// @notice A further key of the caller's party.
    function addKey(address key) external;

    /// @notice Ends a key, of the caller's own party or of one that it registered.
    function revokeKey(address key) external;

    /// @notice Puts another key in the place of one that a party which the caller registered has lost.
    /// @param act SHA-256 of what says so.
    function replaceKey(address lost, address key, bytes32 act) external;

    /// @notice A party; `None` where there is none of this id.
    function partyOf(PartyId id)
        external
        view
        returns (PartyKind kind, Country country, bool isActive, PartyId registrar, bytes32 act, Provenance from);

    /// @notice Whose a key is, since when, and when it was revoked (0: it was not).
    function keyOf(address key) external view returns (PartyId party, uint64 since, uint64 revoked);
}
