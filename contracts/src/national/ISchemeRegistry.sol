// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Country, IRules, PartyId, Provenance} from "../registry/IRules.sol";
import {SchemeId, Terms} from "../registry/Schemes.sol";

/// @title The schemes that a certification chain knows
/// @notice Those of the Union, as the NCCA attests them, and its state's own (row 4; CSA 57).
interface ISchemeRegistry is IRules {
    /// @notice What a level of a national scheme corresponds to: one level each, as bits.
    struct Mapping {
        uint8 level;
        SchemeId scheme;
        uint8 to;
    }

    /// @notice A national scheme was registered, or a new version of it.
    event NationalSchemeRegistered(SchemeId indexed scheme, uint32 version, bytes32 indexed scope, PartyId indexed by);

    /// @notice Row 4, by the NCCA of the chain's state: where no scheme of the Union is in force for the scope.
    function registerNationalScheme(SchemeId id, Terms calldata terms, Mapping[] calldata mappings) external;

    /// @notice A scheme of the Union, as another chain has it.
    function attestScheme(SchemeId id, uint32 version, Terms calldata terms) external;

    /// @notice Whose a scheme is ("EU", or the chain's state), and its newest version; zero where there is none.
    function schemeOf(SchemeId id) external view returns (Country owner, uint32 version);

    /// @notice A version of a scheme; all zero where there is none.
    function termsOf(SchemeId id, uint32 version) external view returns (Terms memory);

    /// @notice How a version of a scheme came here.
    function provenanceOf(SchemeId id, uint32 version) external view returns (Provenance);

    /// @notice The scheme of the Union that is about a scope.
    function schemeFor(bytes32 scope) external view returns (SchemeId);

    /// @notice What the levels of a version of a national scheme correspond to.
    function mappingOf(SchemeId id, uint32 version) external view returns (Mapping[] memory);
}
