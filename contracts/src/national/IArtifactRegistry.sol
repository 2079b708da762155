// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IRules, PartyId} from "../registry/IRules.sol";

/// @notice An ICT product, service or process.
type ArtifactId is bytes32;
/// @notice A version of an artifact.
type VersionId is bytes32;
/// @notice A vulnerability: the case on its vulnerability chain.
type VulnerabilityId is bytes32;

/// @notice A version; of a patch also what it patches, and which vulnerabilities it fixes. Zero where there is no such file.
struct Version {
    ArtifactId artifact;
    PartyId manufacturer;
    bytes32 firmware;
    bytes32 sbom;
    bytes32 mud;
    VersionId patches;
    VulnerabilityId[] fixes;
    bool hasSupport;
}

/// @title ICT artifacts, their versions, and what is said of these
/// @notice Rows 14 to 16 of the rules (CSA 55). On chain stand hashes; the documents are objects of the node's collections.
interface IArtifactRegistry is IRules {
    /// @notice What somebody says of a version and a vulnerability, in the words of VEX.
    enum LabelStatus {
        None,
        UnderInvestigation,
        Affected,
        Fixed,
        NotAffected
    }

    /// @notice What CSA Article 55 asks for: guidance, the end of support, a contact for vulnerabilities, a repository of advisories.
    struct Support {
        bytes32 guidance;
        uint64 until;
        bytes32 contact;
        bytes32 repository;
    }

    struct Label {
        LabelStatus status;
        uint64 since;
        bytes32 justification;
    }

    event ArtifactRegistered(ArtifactId indexed artifact, PartyId indexed manufacturer, bytes32 description);
    event VersionRegistered(
        ArtifactId indexed artifact, VersionId indexed version, VersionId patches, bytes32 firmware, PartyId indexed by
    );
    event SupportSet(ArtifactId indexed artifact, uint64 until, PartyId indexed by);
    event VersionLabelled(
        VersionId indexed version, VulnerabilityId indexed vulnerability, PartyId indexed asserter, LabelStatus status
    );

    /// @notice The case is not disclosed.
    error Sealed(uint8 row, VulnerabilityId vulnerability);

    /// @notice Row 14, by its manufacturer.
    function registerArtifact(ArtifactId id, bytes32 description) external;

    /// @notice Row 14, by the artifact's manufacturer: a version never changes.
    function registerVersion(
        ArtifactId artifact,
        VersionId id,
        bytes32 firmware,
        bytes32 sbom,
        bytes32 mud,
        VersionId patches,
        VulnerabilityId[] calldata fixes
    ) external;

    /// @notice Row 15, by the artifact's manufacturer; what it was before stays.
    function setSupport(ArtifactId artifact, Support calldata support) external;

    /// @notice Row 16, by the version's manufacturer, and by coordinator and provider of the case; none while it is sealed. Each has labels
    /// of their own, and all of them stay.
    function label(VersionId version, VulnerabilityId vulnerability, LabelStatus status, bytes32 justification) external;

    /// @notice An artifact; all zero where there is none.
    function artifactOf(ArtifactId id) external view returns (PartyId manufacturer, bytes32 description);
    /// @notice All that was said under Article 55, the newest last.
    function supportOf(ArtifactId id) external view returns (Support[] memory);
    /// @notice A version; all zero where there is none.
    function versionOf(VersionId id) external view returns (Version memory);
    /// @notice All that a party has said, the newest last.
    function labelsOf(VersionId version, VulnerabilityId vulnerability, PartyId asserter)
        external
        view
        returns (Label[] memory);
}
