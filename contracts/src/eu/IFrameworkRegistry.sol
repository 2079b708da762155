// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Country, IRules, PartyId} from "../registry/IRules.sol";
import {SchemeId, Terms} from "../registry/Schemes.sol";

/// @title Certification schemes of the Union, and whom they recognise
/// @notice Rows 3 and 5 of the rules (CSA 49(7), 54; EUCC 44). Every number of a scheme is data of it; an amended scheme is a new version,
/// and certificates keep theirs.
interface IFrameworkRegistry is IRules {
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
    event SchemeAdopted(
        SchemeId indexed scheme, uint32 version, bytes32 indexed scope, bytes32 document, PartyId indexed by
    );
    /// @notice Certificates of a country are recognised under a scheme.
    event CountryRecognised(Country indexed country, SchemeId indexed scheme, PartyId indexed by);

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
