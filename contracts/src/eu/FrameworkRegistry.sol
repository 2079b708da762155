// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Actors} from "../registry/Actors.sol";
import {IParties} from "../registry/IParties.sol";
import {Country, PartyId, PartyKind, isCountry} from "../registry/IRules.sol";
import {SchemeId, Schemes, Terms} from "../registry/Schemes.sol";
import {IFrameworkRegistry} from "./IFrameworkRegistry.sol";

/// @title Certification schemes of the Union, as specified in IFrameworkRegistry
/// @dev packages/rules/framework.ts has the same rules, and test/federation holds the two against each other.
contract FrameworkRegistry is IFrameworkRegistry, Schemes, Actors {
    uint8 private constant ADOPT = 3;
    uint8 private constant RECOGNISE = 5;
    mapping(SchemeId id => uint32 version) private _versions;
    mapping(SchemeId id => mapping(uint32 version => Terms)) private _terms;
    mapping(bytes32 scope => SchemeId) private _coverage;
    mapping(Country country => mapping(SchemeId scheme => Recognition)) private _recognitions;

    /// @param parties The consortium: whose keys are whose.
    constructor(IParties parties) Actors(parties) {}

    /// @inheritdoc IFrameworkRegistry
    function adoptScheme(SchemeId id, Terms calldata terms) external {
        PartyId by = _commissionCalls(ADOPT);
        _checkTerms(ADOPT, id, terms);
        uint32 version = _versions[id];
        Terms storage before = _terms[id][version];
        if (version != 0 && before.scope != terms.scope) revert Mismatch(ADOPT, before.scope);
        if (version != 0 && before.adopted > terms.adopted) revert OutOfBounds(ADOPT, terms.adopted, before.adopted);
        bytes32 other = SchemeId.unwrap(_coverage[terms.scope]);
        if (other != 0 && other != SchemeId.unwrap(id)) revert Covered(ADOPT, terms.scope);
        _versions[id] = ++version;
        _terms[id][version] = terms;
        _coverage[terms.scope] = id;
        emit SchemeAdopted(id, version, terms.scope, terms.document, by);
    }

    /// @inheritdoc IFrameworkRegistry
    function recogniseCountry(Country country, SchemeId scheme, Recognition calldata terms) external {
        PartyId by = _commissionCalls(RECOGNISE);
        if (!isCountry(country)) revert Missing(RECOGNISE, "country");
        if (terms.agreement == 0) revert Missing(RECOGNISE, "agreement");
        uint32 version = _versions[scheme];
        if (version == 0) revert Unknown(RECOGNISE, SchemeId.unwrap(scheme));
        uint8 levels = _terms[scheme][version].levels;
        if (terms.levels == 0 || !_isSubset(terms.levels, levels)) {
            revert OutOfScope(RECOGNISE, bytes32(uint256(terms.levels)));
        }
        if (terms.since >= terms.until) revert OutOfBounds(RECOGNISE, terms.until, terms.since);
        _recognitions[country][scheme] = terms;
        emit CountryRecognised(country, scheme, by);
    }

    /// @inheritdoc IFrameworkRegistry
    function versionOf(SchemeId id) external view returns (uint32) {
        return _versions[id];
    }

    /// @inheritdoc IFrameworkRegistry
    function termsOf(SchemeId id, uint32 version) external view returns (Terms memory) {
        return _terms[id][version];
    }

    /// @inheritdoc IFrameworkRegistry
    function schemeFor(bytes32 scope) external view returns (SchemeId) {
        return _coverage[scope];
    }

    /// @inheritdoc IFrameworkRegistry
    function recognitionOf(Country country, SchemeId scheme) external view returns (Recognition memory) {
        return _recognitions[country][scheme];
    }

    function _commissionCalls(uint8 row) private view returns (PartyId by) {
        PartyKind kind;
        (by, kind,) = _actor(row);
        if (kind != PartyKind.Commission) revert WrongRole(row, kind);
    }
}
