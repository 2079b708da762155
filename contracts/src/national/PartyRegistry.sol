// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Country, NewParty, PartyId, PartyKind, Provenance, isAuthority, isBody} from "../registry/IRules.sol";
import {Parties} from "../registry/Parties.sol";
import {IPartyRegistry} from "./IPartyRegistry.sol";

/// @title The parties of a national chain, as specified in IPartyRegistry
/// @dev packages/rules (genesis.ts, mirror.ts, artifact.ts) has the same rules, and test/federation holds them against each other.
contract PartyRegistry is IPartyRegistry, Parties {
    uint8 private constant BODY = 6;
    uint8 private constant PARTY = 13;
    ChainKind private immutable _kind;
    Country private immutable _country;

    /// @param authorities Those that the EU chain has seated: what it says of them later counts.
    constructor(ChainKind kind, Country country, NewParty[] memory authorities) {
        if (authorities.length == 0) revert Missing(0, "authorities");
        (_kind, _country) = (kind, country);
        for (uint256 i = 0; i < authorities.length; i++) {
            NewParty memory p = authorities[i];
            if (!isAuthority(p.kind)) revert WrongRole(0, p.kind);
            _requireHere(0, p.country);
            _enterParty(0, p.id, p.kind, p.country, p.key, p.act, NOBODY);
            _party(p.id).from = Provenance.Attested;
        }
    }

    /// @inheritdoc IPartyRegistry
    function registerParty(NewParty calldata p) external {
        (PartyId by, Party storage authority) = _anyActor(PARTY);
        PartyKind kind = authority.kind;
        if (!isAuthority(kind)) revert WrongRole(PARTY, kind);
        uint8 row = kind == PartyKind.Nab ? BODY : PARTY;
        if (!_mayRegister(kind, p.kind)) revert WrongRole(row, p.kind);
        _requireHere(row, authority.country);
        if (kind == PartyKind.Nab) _requireHere(row, p.country);
        _enterParty(row, p.id, p.kind, p.country, p.key, p.act, by);
    }

    /// @inheritdoc IPartyRegistry
    function attestParty(
        PartyId id,
        PartyKind kind,
        Country country,
        bytes32 act,
        bool isActive,
        address[] calldata keys
    ) external {
        (PartyId by, Party storage ncca) = _anyActor(0);
        if (ncca.kind != PartyKind.Ncca) revert WrongRole(0, ncca.kind);
        _requireHere(0, ncca.country);
        _attest(id, Party(kind, country, isActive, Provenance.Attested, NOBODY, act));
        for (uint256 i = 0; i < keys.length; i++) {
            if (_key(keys[i]).since == 0) _enterKey(0, id, keys[i]);
            else if (!_same(_key(keys[i]).party, id)) revert KeyTaken(0, keys[i]);
        }
        emit PartyAttested(id, kind, isActive, by);
    }

    /// @inheritdoc IPartyRegistry
    function chain() external view returns (ChainKind kind, Country country) {
        return (_kind, _country);
    }

    function _attest(PartyId id, Party memory party) private {
        Party storage before = _party(id);
        if (before.kind != PartyKind.None) {
            if (before.from != Provenance.Attested) revert NotYours(0, PartyId.unwrap(id));
            if (before.kind != party.kind) revert Mismatch(0, bytes32(uint256(before.kind)));
        }
        _setParty(id, party);
    }

    function _requireHere(uint8 row, Country country) private view {
        if (Country.unwrap(country) != Country.unwrap(_country)) revert WrongCountry(row, _country, country);
    }

    function _mayRegister(PartyKind by, PartyKind kind) private pure returns (bool) {
        if (by == PartyKind.Nab) return isBody(kind);
        if (by == PartyKind.Coordinator) return kind == PartyKind.Provider;
        return kind == PartyKind.Manufacturer || kind == PartyKind.Holder;
    }
}
