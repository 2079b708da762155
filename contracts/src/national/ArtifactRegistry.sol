// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Actors} from "../registry/Actors.sol";
import {PartyId, PartyKind, Provenance} from "../registry/IRules.sol";
import {ArtifactId, IArtifactRegistry, Version, VersionId, VulnerabilityId} from "./IArtifactRegistry.sol";
import {IMirror} from "./IMirror.sol";
import {IPartyRegistry} from "./IPartyRegistry.sol";

/// @title ICT artifacts and their versions, as specified in IArtifactRegistry
/// @dev packages/rules/artifact.ts has the same rules, and test/federation holds the two against each other.
contract ArtifactRegistry is IArtifactRegistry, Actors {
    struct Artifact {
        PartyId manufacturer;
        bytes32 description;
    }

    uint8 private constant REGISTER = 14;
    uint8 private constant SUPPORT = 15;
    uint8 private constant LABEL = 16;

    IMirror private immutable _mirror;
    mapping(ArtifactId id => Artifact) private _artifacts;
    mapping(ArtifactId id => Support[]) private _supports;
    mapping(VersionId id => Version) private _versions;
    mapping(VersionId version => mapping(VulnerabilityId vulnerability => mapping(PartyId asserter => Label[]))) private
        _labels;

    /// @param mirror Where the cases of vulnerability chains are.
    constructor(IPartyRegistry parties, IMirror mirror) Actors(parties) {
        (IPartyRegistry.ChainKind kind,) = parties.chain();
        if (kind != IPartyRegistry.ChainKind.Artifact) revert WrongChain(0);
        _mirror = mirror;
    }

    /// @inheritdoc IArtifactRegistry
    function registerArtifact(ArtifactId id, bytes32 description) external {
        (PartyId by,) = _actorOf(REGISTER, PartyKind.Manufacturer);
        if (ArtifactId.unwrap(id) == 0) revert Missing(REGISTER, "id");
        if (description == 0) revert Missing(REGISTER, "description");
        if (_artifacts[id].description != 0) revert Exists(REGISTER, ArtifactId.unwrap(id));
        _artifacts[id] = Artifact(by, description);
        emit ArtifactRegistered(id, by, description);
    }

    /// @inheritdoc IArtifactRegistry
    function registerVersion(
        ArtifactId artifact,
        VersionId id,
        bytes32 firmware,
        bytes32 sbom,
        bytes32 mud,
        VersionId patches,
        VulnerabilityId[] calldata fixes
    ) external {
        PartyId by = _makerCalls(REGISTER, artifact);
        if (VersionId.unwrap(id) == 0) revert Missing(REGISTER, "id");
        if (firmware == 0) revert Missing(REGISTER, "firmware");
        if (_isThere(id)) revert Exists(REGISTER, VersionId.unwrap(id));
        if (VersionId.unwrap(patches) != 0) {
            bool isOwn = ArtifactId.unwrap(_versions[patches].artifact) == ArtifactId.unwrap(artifact);
            if (!isOwn) revert Unknown(REGISTER, VersionId.unwrap(patches));
        } else if (fixes.length != 0) {
            revert Missing(REGISTER, "patches");
        }
        bool hasSupport = _supports[artifact].length != 0;
        _versions[id] = Version(artifact, by, firmware, sbom, mud, patches, fixes, hasSupport);
        emit VersionRegistered(artifact, id, patches, firmware, by);
    }

    /// @inheritdoc IArtifactRegistry
    function setSupport(ArtifactId artifact, Support calldata support) external {
        PartyId by = _makerCalls(SUPPORT, artifact);
        if (support.guidance == 0) revert Missing(SUPPORT, "guidance");
        if (support.contact == 0) revert Missing(SUPPORT, "contact");
        if (support.repository == 0) revert Missing(SUPPORT, "repository");
        if (support.until <= block.timestamp) revert OutOfBounds(SUPPORT, support.until, block.timestamp);
        _supports[artifact].push(support);
        emit SupportSet(artifact, support.until, by);
    }

    /// @inheritdoc IArtifactRegistry
    function label(VersionId version, VulnerabilityId vulnerability, LabelStatus status, bytes32 justification)
        external
    {
        (PartyId by, PartyKind kind,) = _actor(LABEL);
        bool maySpeak = kind == PartyKind.Manufacturer || kind == PartyKind.Coordinator || kind == PartyKind.Provider;
        if (!maySpeak) revert WrongRole(LABEL, kind);
        if (!_isThere(version)) revert Unknown(LABEL, VersionId.unwrap(version));
        if (status == LabelStatus.None) revert Missing(LABEL, "status");
        if (status == LabelStatus.NotAffected && justification == 0) revert Missing(LABEL, "justification");
        (IMirror.Case memory c, Provenance from) = _mirror.caseOf(vulnerability);
        bool isKnown = from != Provenance.Own;
        if (isKnown && c.disclosed == 0) revert Sealed(LABEL, vulnerability);
        if (kind == PartyKind.Manufacturer) {
            if (!_same(by, _versions[version].manufacturer)) revert NotYours(LABEL, VersionId.unwrap(version));
        } else {
            if (!isKnown) revert Unknown(LABEL, VulnerabilityId.unwrap(vulnerability));
            bool isTheirs = _same(by, c.coordinator) || _same(by, c.provider);
            if (!isTheirs) revert NotYours(LABEL, VulnerabilityId.unwrap(vulnerability));
        }
        _labels[version][vulnerability][by].push(Label(status, uint64(block.timestamp), justification));
        emit VersionLabelled(version, vulnerability, by, status);
    }

    /// @inheritdoc IArtifactRegistry
    function artifactOf(ArtifactId id) external view returns (PartyId manufacturer, bytes32 description) {
        return (_artifacts[id].manufacturer, _artifacts[id].description);
    }

    /// @inheritdoc IArtifactRegistry
    function supportOf(ArtifactId id) external view returns (Support[] memory) {
        return _supports[id];
    }

    /// @inheritdoc IArtifactRegistry
    function versionOf(VersionId id) external view returns (Version memory) {
        return _versions[id];
    }

    /// @inheritdoc IArtifactRegistry
    function labelsOf(VersionId version, VulnerabilityId vulnerability, PartyId asserter)
        external
        view
        returns (Label[] memory)
    {
        return _labels[version][vulnerability][asserter];
    }

    /// @dev The artifact's manufacturer.
    function _makerCalls(uint8 row, ArtifactId artifact) private view returns (PartyId by) {
        (by,) = _actorOf(row, PartyKind.Manufacturer);
        Artifact storage a = _artifacts[artifact];
        if (a.description == 0) revert Unknown(row, ArtifactId.unwrap(artifact));
        if (!_same(a.manufacturer, by)) revert NotYours(row, ArtifactId.unwrap(artifact));
    }

    function _isThere(VersionId id) private view returns (bool) {
        return _versions[id].firmware != 0;
    }
}
