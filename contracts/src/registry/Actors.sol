// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IParties} from "./IParties.sol";
import {Country, IRules, PartyId, PartyKind} from "./IRules.sol";

/// @title Who calls a contract whose parties are in another
abstract contract Actors is IRules {
    IParties internal immutable _registry;

    constructor(IParties parties) {
        _registry = parties;
    }

    /// @dev The active party whose key signed.
    function _actor(uint8 row) internal view returns (PartyId by, PartyKind kind, Country country) {
        uint64 since;
        uint64 revoked;
        (by, since, revoked) = _registry.keyOf(msg.sender);
        if (since == 0) revert UnknownKey(row, msg.sender);
        if (revoked != 0) revert RevokedKey(row, msg.sender);
        bool isActive;
        (kind, country, isActive,,,) = _registry.partyOf(by);
        if (!isActive) revert NotActive(row, PartyId.unwrap(by));
    }

    /// @dev The active party of this kind that calls.
    function _actorOf(uint8 row, PartyKind wanted) internal view returns (PartyId by, Country country) {
        PartyKind kind;
        (by, kind, country) = _actor(row);
        if (kind != wanted) revert WrongRole(row, kind);
    }

    /// @dev A party that is there and active.
    function _partyOf(uint8 row, PartyId id) internal view returns (PartyKind kind, Country country) {
        bool isActive;
        (kind, country, isActive,,,) = _registry.partyOf(id);
        if (kind == PartyKind.None) revert Unknown(row, PartyId.unwrap(id));
        if (!isActive) revert NotActive(row, PartyId.unwrap(id));
    }

    function _requireSame(uint8 row, Country expected, Country actual) internal pure {
        if (Country.unwrap(expected) != Country.unwrap(actual)) revert WrongCountry(row, expected, actual);
    }

    function _same(PartyId a, PartyId b) internal pure returns (bool) {
        return PartyId.unwrap(a) == PartyId.unwrap(b);
    }
}
