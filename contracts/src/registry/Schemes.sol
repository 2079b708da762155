// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IRules} from "./IRules.sol";

/// @notice A certification scheme.
type SchemeId is bytes32;

// Assurance levels as a set (CSA Article 52): bit 0 basic, bit 1 substantial, bit 2 high.
uint8 constant BASIC = 1;
uint8 constant HIGH = 4;

/// @notice Whether it is one level, and one of these.
function isLevelOf(uint8 level, uint8 levels) pure returns (bool) {
    return level != 0 && level & (level - 1) == 0 && level & ~levels == 0;
}

/// @notice From its adoption until certificates are no longer issued under it.
function isInForce(Terms memory terms) view returns (bool) {
    return terms.adopted <= block.timestamp && (terms.endsAt == 0 || block.timestamp < terms.endsAt);
}

/// @notice What a scheme says. Levels are sets. Terms are in seconds.
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

/// @title What every scheme must be, the Union's and a state's
abstract contract Schemes is IRules {
    uint8 internal constant ALL_LEVELS = 7;
    /// @dev No term is longer: what is in seconds must not be taken for milliseconds.
    uint64 private constant LONGEST = 36_525 days;

    /// @notice Another scheme is about this already.
    error Covered(uint8 row, bytes32 scope);

    function _checkTerms(uint8 row, SchemeId id, Terms calldata t) internal pure {
        if (SchemeId.unwrap(id) == 0) revert Missing(row, "id");
        if (t.document == 0) revert Missing(row, "document");
        if (t.scope == 0) revert Missing(row, "scope");
        if (t.levels == 0 || !_isSubset(t.levels, ALL_LEVELS)) revert OutOfScope(row, bytes32(uint256(t.levels)));
        if (!_isSubset(t.authorisedLevels, t.levels)) revert OutOfScope(row, bytes32(uint256(t.authorisedLevels)));
        for (uint256 i = 0; i < 3; i++) {
            if (t.van[i] != 0 && t.levels & (1 << i) == 0) revert OutOfScope(row, bytes32(uint256(t.van[i])));
        }
        if (t.allowsDeclaration && t.levels & BASIC == 0) revert OutOfScope(row, bytes32(uint256(BASIC)));
        _checkTerm(row, t.maxValidity);
        _checkTerm(row, t.maxSuspension);
        _checkTerm(row, t.maxSuspended);
        _checkTerm(row, t.maxAccreditation);
        if (t.maxSuspension > t.maxSuspended) revert OutOfBounds(row, t.maxSuspension, t.maxSuspended);
        if (t.endsAt != 0 && t.endsAt <= t.adopted) revert OutOfBounds(row, t.endsAt, t.adopted);
    }

    function _checkTerm(uint8 row, uint64 term) private pure {
        if (term == 0 || term > LONGEST) revert OutOfBounds(row, term, LONGEST);
    }

    function _isSubset(uint8 some, uint8 all) internal pure returns (bool) {
        return some & ~all == 0;
    }
}
