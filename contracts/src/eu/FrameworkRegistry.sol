// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IParties} from "../registry/IParties.sol";
import {Country, PartyId, PartyKind, isCountry} from "../registry/IRules.sol";
import {IFrameworkRegistry, SchemeId} from "./IFrameworkRegistry.sol";

/// @title Certification schemes of the Union, as specified in IFrameworkRegistry
/// @dev packages/rules/framework.ts has the same rules, and test/federation holds the two against each other.
contract FrameworkRegistry is IFrameworkRegistry {
    uint8 private constant ADOPT = 3;
    uint8 private constant RECOGNISE = 5;
    uint8 private constant BASIC = 1;
    uint8 private constant ALL_LEVELS = 7;
    /// @dev No term is longer: what is in seconds must not be taken for milliseconds.
    uint64 private constant LONGEST = 36_525 days;

    IParties private immutable _parties;
    mapping(SchemeId id => uint32 version) private _versions;
    mapping(SchemeId id => mapping(uint32 version => Terms)) private _terms;
    mapping(bytes32 scope => SchemeId) private _coverage;
    mapping(Country country => mapping(SchemeId scheme => Recognition)) private _recognitions;

    /// @param parties The consortium: whose keys are whose.
    constructor(IParties parties) {
        _parties = parties;
    }

    /// @inheritdoc IFrameworkRegistry
    function adoptScheme(SchemeId id, Terms calldata terms) external {
        PartyId by = _commissionCalls(ADOPT);
        _checkTerms(id, terms);
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
        if (terms.levels == 0 || !_isSubset(terms.levels, levels)) revert OutOfScope(RECOGNISE, terms.levels);
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
        uint64 since;
        uint64 revoked;
        (by, since, revoked) = _parties.keyOf(msg.sender);
        if (since == 0) revert UnknownKey(row, msg.sender);
        if (revoked != 0) revert RevokedKey(row, msg.sender);
        (PartyKind kind,, bool isActive,,,) = _parties.partyOf(by);
        if (!isActive) revert NotActive(row, PartyId.unwrap(by));
        if (kind != PartyKind.Commission) revert WrongRole(row, kind);
    }

    function _checkTerms(SchemeId id, Terms calldata t) private pure {
        if (SchemeId.unwrap(id) == 0) revert Missing(ADOPT, "id");
        if (t.document == 0) revert Missing(ADOPT, "document");
        if (t.scope == 0) revert Missing(ADOPT, "scope");
        if (t.levels == 0 || !_isSubset(t.levels, ALL_LEVELS)) revert OutOfScope(ADOPT, t.levels);
        if (!_isSubset(t.authorisedLevels, t.levels)) revert OutOfScope(ADOPT, t.authorisedLevels);
        for (uint256 i = 0; i < 3; i++) {
            if (t.van[i] != 0 && t.levels & (1 << i) == 0) revert OutOfScope(ADOPT, t.van[i]);
        }
        if (t.allowsDeclaration && t.levels & BASIC == 0) revert OutOfScope(ADOPT, BASIC);
        _checkTerm(t.maxValidity);
        _checkTerm(t.maxSuspension);
        _checkTerm(t.maxSuspended);
        _checkTerm(t.maxAccreditation);
        if (t.maxSuspension > t.maxSuspended) revert OutOfBounds(ADOPT, t.maxSuspension, t.maxSuspended);
        if (t.endsAt != 0 && t.endsAt <= t.adopted) revert OutOfBounds(ADOPT, t.endsAt, t.adopted);
    }

    function _checkTerm(uint64 term) private pure {
        if (term == 0 || term > LONGEST) revert OutOfBounds(ADOPT, term, LONGEST);
    }

    function _isSubset(uint8 some, uint8 all) private pure returns (bool) {
        return some & ~all == 0;
    }
}
