// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IAttestors} from "../registry/IAttestors.sol";
import {
    Country,
    NewParty,
    PartyId,
    PartyKind,
    Provenance,
    isAuthority,
    isBody,
    mayReplace
} from "../registry/IRules.sol";
import {Parties} from "../registry/Parties.sol";
import {IPartyRegistry} from "./IPartyRegistry.sol";

/// @title The parties of a national chain, as specified in IPartyRegistry
/// @dev packages/rules (genesis.ts, mirror.ts, artifact.ts) has the same rules, and test/federation holds them against each other.
contract PartyRegistry is IPartyRegistry, Parties {
    uint8 private constant BODY = 6;
    uint8 private constant PARTY = 13;
    ChainKind private immutable _kind;
    Country private immutable _country;
    address private immutable _inbox;

    /// @param authorities Those that the EU chain has seated: what it says of them later counts.
    /// @param inbox_ The account that brings facts of other chains with a proof; zero: there is none.
    constructor(ChainKind kind, Country country, NewParty[] memory authorities, address inbox_) {
        if (authorities.length == 0) revert Missing(0, "authorities");
        (_kind, _country, _inbox) = (kind, country, inbox_);
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
        uint8 row = kind == PartyKind.Nab || p.kind == PartyKind.CertificationBody ? BODY : PARTY;
        if (!_mayRegister(kind, p.kind)) revert WrongRole(row, p.kind);
        _requireHere(row, authority.country);
        if (row == BODY) _requireHere(row, p.country);
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
        (PartyId by, Provenance from) = attestor(0, msg.sender);
        if (kind == PartyKind.None) revert Missing(0, "kind");
        _attest(id, Party(kind, country, isActive, from, NOBODY, act));
        for (uint256 i = 0; i < keys.length; i++) {
            if (_key(keys[i]).since == 0) _enterKey(0, id, keys[i]);
            else if (!_same(_key(keys[i]).party, id)) revert KeyTaken(0, keys[i]);
        }
        emit FactEntered(PartyId.unwrap(id), from, by);
    }

    /// @inheritdoc IAttestors
    function attestor(uint8 row, address account) public view returns (PartyId by, Provenance from) {
        if (account == _inbox && account != address(0)) return (NOBODY, Provenance.Proven);
        Party storage ncca;
        (by, ncca) = _actorOf(row, account);
        if (ncca.kind != PartyKind.Ncca) revert WrongRole(row, ncca.kind);
        _requireHere(row, ncca.country);
        return (by, Provenance.Attested);
    }

    /// @inheritdoc IPartyRegistry
    function inbox() external view returns (address) {
        return _inbox;
    }

    /// @inheritdoc IPartyRegistry
    function chain() external view returns (ChainKind kind, Country country) {
        return (_kind, _country);
    }

    function _attest(PartyId id, Party memory party) private {
        Party storage before = _party(id);
        if (before.kind != PartyKind.None) {
            if (!mayReplace(before.from, party.from)) revert NotYours(0, PartyId.unwrap(id));
            if (before.kind != party.kind) revert Mismatch(0, bytes32(uint256(before.kind)));
        }
        _setParty(id, party);
    }

    function _requireHere(uint8 row, Country country) private view {
        if (Country.unwrap(country) != Country.unwrap(_country)) revert WrongCountry(row, _country, country);
    }

    function _mayRegister(PartyKind by, PartyKind kind) private pure returns (bool) {
        if (by == PartyKind.Nab) return isBody(kind) && kind != PartyKind.CertificationBody;
        if (by == PartyKind.Coordinator) return kind == PartyKind.Provider;
        return kind == PartyKind.Manufacturer || kind == PartyKind.Holder || kind == PartyKind.CertificationBody;
    }
}
