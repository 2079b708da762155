// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Facts} from "../registry/Facts.sol";
import {IAttestors} from "../registry/IAttestors.sol";
import {Country, PartyId, Provenance} from "../registry/IRules.sol";
import {SchemeId} from "../registry/Schemes.sol";
import {Version, VersionId, VulnerabilityId} from "./IArtifactRegistry.sol";
import {IMirror} from "./IMirror.sol";
import {IPartyRegistry} from "./IPartyRegistry.sol";

/// @title Facts of other chains, as specified in IMirror
/// @dev packages/rules/mirror.ts has the same rules, and test/federation holds the two against each other.
contract Mirror is IMirror, Facts {
    IPartyRegistry.ChainKind private immutable _kind;
    mapping(VersionId id => Version) private _versions;
    mapping(VersionId id => Provenance) private _versionFrom;
    mapping(Country country => mapping(SchemeId scheme => Recognition)) private _recognitions;
    mapping(Country country => mapping(SchemeId scheme => Provenance)) private _recognitionFrom;
    mapping(VulnerabilityId id => Case) private _cases;
    mapping(VulnerabilityId id => Provenance) private _caseFrom;

    constructor(IPartyRegistry parties) Facts(parties, parties) {
        (_kind,) = parties.chain();
    }

    /// @inheritdoc IMirror
    function attestVersion(VersionId id, Version calldata version) external {
        _versionFrom[id] = _enter(IPartyRegistry.ChainKind.Certification, VersionId.unwrap(id), _versionFrom[id]);
        _versions[id] = version;
    }

    /// @inheritdoc IMirror
    function attestRecognition(Country country, SchemeId scheme, Recognition calldata terms) external {
        _recognitionFrom[country][scheme] =
            _enter(IPartyRegistry.ChainKind.Certification, SchemeId.unwrap(scheme), _recognitionFrom[country][scheme]);
        _recognitions[country][scheme] = terms;
    }

    /// @inheritdoc IMirror
    function attestCase(VulnerabilityId id, Case calldata fact) external {
        _caseFrom[id] = _enter(IPartyRegistry.ChainKind.Artifact, VulnerabilityId.unwrap(id), _caseFrom[id]);
        if (_cases[id].disclosed != 0) revert Exists(0, VulnerabilityId.unwrap(id));
        _cases[id] = fact;
    }

    /// @inheritdoc IMirror
    function versionOf(VersionId id) external view returns (Version memory version, Provenance from) {
        return (_versions[id], _versionFrom[id]);
    }

    /// @inheritdoc IMirror
    function recognitionOf(Country country, SchemeId scheme)
        external
        view
        returns (Recognition memory terms, Provenance from)
    {
        return (_recognitions[country][scheme], _recognitionFrom[country][scheme]);
    }

    /// @inheritdoc IMirror
    function caseOf(VulnerabilityId id) external view returns (Case memory fact, Provenance from) {
        return (_cases[id], _caseFrom[id]);
    }

    /// @dev By whoever may, on a chain that has such facts.
    /// @param before `Own` where nothing is known.
    function _enter(IPartyRegistry.ChainKind kind, bytes32 subject, Provenance before)
        private
        returns (Provenance from)
    {
        PartyId by;
        (by, from) = _attestor(0);
        if (_kind != kind) revert WrongChain(0);
        if (before != Provenance.Own) _requireReplaceable(subject, before, from);
        emit IAttestors.FactEntered(subject, from, by);
    }
}
