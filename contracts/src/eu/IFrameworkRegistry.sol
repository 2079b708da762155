// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Country, IRules, PartyId} from "../registry/IRules.sol";

/// @notice A certification scheme.
type SchemeId is bytes32;

/// @title Certification schemes of the Union, and whom they recognise
/// @notice Rows 3 and 5 of the rules (CSA 49(7), 54; EUCC 44). Every number of a scheme is data of it; an amended scheme is a new version,
/// and certificates keep theirs.
interface IFrameworkRegistry is IRules {
    /// @notice What a scheme says. Levels are a set: bit 0 basic, bit 1 substantial, bit 2 high. Terms are in seconds.
    struct Terms {
        /// SHA-256 of the scheme.
        bytes32 document;
        /// What it is about: one EU scheme in force for each.
        bytes32 scope;
        uint64 adopted;
        /// No certificate is issued from then on; 0 while that is open.
        uint64 endsAt;
        uint8 levels;
        uint64 maxValidity;
        /// Self-assessment for basic (CSA 53).
        bool allowsDeclaration;
        /// Only public bodies issue (CSA 56(5)).
        bool isPublicOnly;
        /// Levels for which a body must be authorised as well.
        uint8 authorisedLevels;
        /// Top AVA_VAN of basic, substantial and high; 0 without one.
        uint8[3] van;
        uint64 maxSuspension;
        uint64 maxSuspended;
        uint64 maxAccreditation;
        bool allowsProfiles;
    }

    /// @notice A third country whose certificates are recognised.
    struct Recognition {
        /// SHA-256 of the agreement.
        bytes32 agreement;
        uint8 levels;
        uint64 since;
        uint64 until;
        bool isEea;
    }

    /// @notice A scheme was adopted, or amended.
    event SchemeAdopted(SchemeId indexed scheme, uint32 version, bytes32 indexed scope, bytes32 document, PartyId by);
    /// @notice Certificates of a country are recognised under a scheme.
    event CountryRecognised(Country indexed country, SchemeId indexed scheme, PartyId by);

    /// @notice The levels or bodies of a scheme do not have this.
    error OutOfScope(uint8 row, uint256 what);
    /// @notice Another scheme is about this already.
    error Covered(uint8 row, bytes32 scope);
    /// @notice This is not what it was.
    error Mismatch(uint8 row, bytes32 expected);

    /// @notice Row 3, by the Commission.
    function adoptScheme(SchemeId id, Terms calldata terms) external;

    /// @notice Row 5, by the Commission.
    function recogniseCountry(Country country, SchemeId scheme, Recognition calldata terms) external;

    /// @notice The newest version of a scheme; 0 where there is none.
    function versionOf(SchemeId id) external view returns (uint32);

    /// @notice A version of a scheme; all zero where there is none.
    function termsOf(SchemeId id, uint32 version) external view returns (Terms memory);

    /// @notice The scheme that is about a scope.
    function schemeFor(bytes32 scope) external view returns (SchemeId);

    /// @notice On which terms a country is recognised; all zero where it is not.
    function recognitionOf(Country country, SchemeId scheme) external view returns (Recognition memory);
}
