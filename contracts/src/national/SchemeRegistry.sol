// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Facts} from "../registry/Facts.sol";
import {IAttestors} from "../registry/IAttestors.sol";
import {Country, PartyId, PartyKind, Provenance} from "../registry/IRules.sol";
import {SchemeId, Schemes, Terms, isInForce, isLevelOf} from "../registry/Schemes.sol";
import {IPartyRegistry} from "./IPartyRegistry.sol";
import {ISchemeRegistry} from "./ISchemeRegistry.sol";

/// @title The schemes that a certification chain knows, as specified in ISchemeRegistry
/// @dev packages/rules (framework.ts, mirror.ts) has the same rules, and test/federation holds them against each other.
contract SchemeRegistry is ISchemeRegistry, Schemes, Facts {
    uint8 private constant REGISTER = 4;
    bytes2 private constant EU = "EU";

    Country private immutable _country;
    mapping(SchemeId id => Country) private _owners;
    mapping(SchemeId id => uint32) private _versions;
    mapping(SchemeId id => mapping(uint32 version => Terms)) private _terms;
    mapping(SchemeId id => mapping(uint32 version => Provenance)) private _provenances;
    mapping(SchemeId id => mapping(uint32 version => Mapping[])) private _mappings;
    /// @dev The scheme of the Union that is about a scope.
    mapping(bytes32 scope => SchemeId) private _coverage;

    constructor(IPartyRegistry parties) Facts(parties, parties) {
        IPartyRegistry.ChainKind kind;
        (kind, _country) = parties.chain();
        if (kind != IPartyRegistry.ChainKind.Certification) revert WrongChain(0);
    }

    /// @inheritdoc ISchemeRegistry
    function registerNationalScheme(SchemeId id, Terms calldata terms, Mapping[] calldata mappings) external {
        (PartyId by, Country country) = _actorOf(REGISTER, PartyKind.Ncca);
        _requireSame(REGISTER, _country, country);
        _checkTerms(REGISTER, id, terms);
        uint32 version = _versions[id];
        bool isForeign = version != 0 && Country.unwrap(_owners[id]) != Country.unwrap(_country);
        if (isForeign) revert NotYours(REGISTER, SchemeId.unwrap(id));
        SchemeId covering = _coverage[terms.scope];
        bool isCovered = SchemeId.unwrap(covering) != 0 && isInForce(_terms[covering][_versions[covering]]);
        if (isCovered) revert Covered(REGISTER, terms.scope);
        _versions[id] = ++version;
        _owners[id] = _country;
        _terms[id][version] = terms;
        for (uint256 i = 0; i < mappings.length; i++) {
            _checkMapping(terms.levels, mappings[i]);
            _mappings[id][version].push(mappings[i]);
        }
        emit NationalSchemeRegistered(id, version, terms.scope, by);
    }

    /// @inheritdoc ISchemeRegistry
    function attestScheme(SchemeId id, uint32 version, Terms calldata terms) external {
        (PartyId by, Provenance from) = _attestor(0);
        if (version == 0) revert Missing(0, "version");
        uint32 newest = _versions[id];
        if (newest != 0) _requireReplaceable(SchemeId.unwrap(id), _provenances[id][newest], from);
        if (version < newest) revert OutOfBounds(0, version, newest);
        (_versions[id], _owners[id]) = (version, Country.wrap(EU));
        _terms[id][version] = terms;
        _provenances[id][version] = from;
        _coverage[terms.scope] = id;
        emit IAttestors.FactEntered(SchemeId.unwrap(id), from, by);
    }

    /// @inheritdoc ISchemeRegistry
    function schemeOf(SchemeId id) external view returns (Country owner, uint32 version) {
        return (_owners[id], _versions[id]);
    }

    /// @inheritdoc ISchemeRegistry
    function termsOf(SchemeId id, uint32 version) external view returns (Terms memory) {
        return _terms[id][version];
    }

    /// @inheritdoc ISchemeRegistry
    function provenanceOf(SchemeId id, uint32 version) external view returns (Provenance) {
        return _provenances[id][version];
    }

    /// @inheritdoc ISchemeRegistry
    function schemeFor(bytes32 scope) external view returns (SchemeId) {
        return _coverage[scope];
    }

    /// @inheritdoc ISchemeRegistry
    function mappingOf(SchemeId id, uint32 version) external view returns (Mapping[] memory) {
        return _mappings[id][version];
    }

    function _checkMapping(uint8 levels, Mapping calldata m) private view {
        if (!isLevelOf(m.level, levels)) revert OutOfScope(REGISTER, bytes32(uint256(m.level)));
        if (Country.unwrap(_owners[m.scheme]) != EU) revert Unknown(REGISTER, SchemeId.unwrap(m.scheme));
        if (!isLevelOf(m.to, _terms[m.scheme][_versions[m.scheme]].levels)) {
            revert OutOfScope(REGISTER, bytes32(uint256(m.to)));
        }
    }
}
