// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IParties} from "./IParties.sol";
import {Country, PartyId, PartyKind, Provenance, isCountry} from "./IRules.sol";

/// @title Parties and their keys, as specified in IParties
/// @dev packages/rules/parties.ts has the same rules.
abstract contract Parties is IParties {
    struct Party {
        PartyKind kind;
        Country country;
        bool isActive;
        Provenance from;
        PartyId registrar;
        bytes32 act;
    }

    struct Key {
        PartyId party;
        uint64 since;
        uint64 revoked;
    }

    /// @dev The row that keys are refused by: whoever registers a party vouches for them.
    uint8 private constant KEYS = 13;
    PartyId internal constant NOBODY = PartyId.wrap(0);

    mapping(PartyId id => Party) private _parties;
    mapping(address key => Key) private _keys;

    /// @inheritdoc IParties
    function addKey(address key) external {
        (PartyId by,) = _anyActor(KEYS);
        _enterKey(KEYS, by, key);
        emit KeyAdded(by, key, by);
    }

    /// @inheritdoc IParties
    function revokeKey(address key) external {
        (PartyId by,) = _anyActor(KEYS);
        _revokeFor(by, key);
    }

    /// @inheritdoc IParties
    function replaceKey(address lost, address key, bytes32 act) external {
        (PartyId by,) = _anyActor(KEYS);
        if (act == 0) revert Missing(KEYS, "act");
        PartyId party = _revokeFor(by, lost);
        if (_same(party, by)) revert NotYours(KEYS, _toBytes(lost));
        _enterKey(KEYS, party, key);
        emit KeyAdded(party, key, by);
    }

    /// @inheritdoc IParties
    function partyOf(PartyId id)
        external
        view
        returns (PartyKind kind, Country country, bool isActive, PartyId registrar, bytes32 act, Provenance from)
    {
        Party storage p = _parties[id];
        return (p.kind, p.country, p.isActive, p.registrar, p.act, p.from);
    }

    /// @inheritdoc IParties
    function keyOf(address key) external view returns (PartyId party, uint64 since, uint64 revoked) {
        Key storage k = _keys[key];
        return (k.party, k.since, k.revoked);
    }

    /// @dev The active party whose key signed.
    function _anyActor(uint8 row) internal view returns (PartyId id, Party storage party) {
        return _actorOf(row, msg.sender);
    }

    /// @dev The active party whose key this is.
    function _actorOf(uint8 row, address account) internal view returns (PartyId id, Party storage party) {
        Key storage key = _keys[account];
        if (key.since == 0) revert UnknownKey(row, account);
        if (key.revoked != 0) revert RevokedKey(row, account);
        id = key.party;
        party = _parties[id];
        if (!party.isActive) revert NotActive(row, PartyId.unwrap(id));
    }

    function _party(PartyId id) internal view returns (Party storage) {
        return _parties[id];
    }

    function _setParty(PartyId id, Party memory party) internal {
        _parties[id] = party;
    }

    function _key(address key) internal view returns (Key storage) {
        return _keys[key];
    }

    function _enterParty(
        uint8 row,
        PartyId id,
        PartyKind kind,
        Country country,
        address key,
        bytes32 act,
        PartyId registrar
    ) internal {
        if (PartyId.unwrap(id) == 0) revert Missing(row, "id");
        if (act == 0) revert Missing(row, "act");
        if (!isCountry(country)) revert Missing(row, "country");
        if (_parties[id].kind != PartyKind.None) revert Exists(row, PartyId.unwrap(id));
        _parties[id] = Party(kind, country, true, Provenance.Own, registrar, act);
        _enterKey(row, id, key);
        emit PartyRegistered(id, kind, country, registrar, key, act);
    }

    function _enterKey(uint8 row, PartyId party, address key) internal {
        if (key == address(0)) revert Missing(row, "key");
        if (_keys[key].since != 0) revert KeyTaken(row, key);
        _keys[key] = Key(party, uint64(block.timestamp), 0);
    }

    function _revoke(PartyId by, address key) internal {
        _keys[key].revoked = uint64(block.timestamp);
        emit KeyRevoked(_keys[key].party, key, by);
    }

    function _revokeFor(PartyId by, address key) private returns (PartyId party) {
        Key storage found = _keys[key];
        if (found.since == 0) revert Unknown(KEYS, _toBytes(key));
        if (found.revoked != 0) revert RevokedKey(KEYS, key);
        party = found.party;
        if (!_same(party, by) && !_same(_parties[party].registrar, by)) revert NotYours(KEYS, _toBytes(key));
        _revoke(by, key);
    }

    function _same(PartyId a, PartyId b) internal pure returns (bool) {
        return PartyId.unwrap(a) == PartyId.unwrap(b);
    }

    function _toBytes(address key) internal pure returns (bytes32) {
        return bytes32(uint256(uint160(key)));
    }
}
