// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IAttestors} from "../registry/IAttestors.sol";
import {Country, IRules, PartyId, Provenance} from "../registry/IRules.sol";
import {SchemeId} from "../registry/Schemes.sol";
import {Version, VersionId, VulnerabilityId} from "./IArtifactRegistry.sol";

/// @title Facts of other chains
/// @notice What a chain knows of others and keeps nowhere else: on a certification chain versions and recognised countries, on an artifact
/// chain the cases of vulnerabilities. Each says how it came here; what has come with a proof is not taken back on a word.
interface IMirror is IRules {
    /// @notice A country whose certificates are recognised under a scheme (EUCC 44).
    struct Recognition {
        /// SHA-256 of the agreement.
        bytes32 agreement;
        uint8 levels;
        uint64 since;
        uint64 until;
        bool isEea;
    }

    /// @notice As much of a case as an artifact chain needs: whose it is, and when it was disclosed (0: it is sealed).
    struct Case {
        PartyId provider;
        PartyId coordinator;
        uint64 disclosed;
    }

    /// @notice A version of an artifact chain, on a certification chain.
    function attestVersion(VersionId id, Version calldata version) external;

    /// @notice A country that the Commission has recognised, on a certification chain.
    function attestRecognition(Country country, SchemeId scheme, Recognition calldata terms) external;

    /// @notice A case of a vulnerability chain, on an artifact chain. Once it is disclosed it stays as it is.
    function attestCase(VulnerabilityId id, Case calldata fact) external;

    /// @notice What is known, and how; `Own` where nothing is.
    function versionOf(VersionId id) external view returns (Version memory version, Provenance from);
    function recognitionOf(Country country, SchemeId scheme)
        external
        view
        returns (Recognition memory terms, Provenance from);
    function caseOf(VulnerabilityId id) external view returns (Case memory fact, Provenance from);
}
