// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {RFC9162} from "../src/log/RFC9162.sol";

/// @dev A Merkle tree straight from the recursive definitions of RFC 9162: MTH (section 2.1.1), PATH (2.1.3.1), PROOF and SUBPROOF
/// (2.1.4.1). Slow, and unlike the verification under test on purpose.
library Tree {
    /// @dev `size` leaf hashes that depend on the seed; trees of one seed are consistent with each other.
    function leaves(bytes32 seed, uint256 size) internal pure returns (bytes32[] memory list) {
        list = new bytes32[](size);
        for (uint256 i = 0; i < size; ++i) {
            list[i] = RFC9162.hashLeaf(abi.encode(seed, i));
        }
    }

    function root(bytes32[] memory list) internal pure returns (bytes32) {
        return list.length == 0 ? RFC9162.EMPTY_ROOT : mth(list, 0, list.length);
    }

    function root(bytes32 seed, uint256 size) internal pure returns (bytes32) {
        return root(leaves(seed, size));
    }

    function mth(bytes32[] memory list, uint256 from, uint256 to) internal pure returns (bytes32) {
        if (to - from == 1) return list[from];
        uint256 k = split(to - from);
        return RFC9162.hashNode(mth(list, from, from + k), mth(list, from + k, to));
    }

    function path(bytes32[] memory list, uint256 index) internal pure returns (bytes32[] memory) {
        return _path(list, index, 0, list.length);
    }

    function consistency(bytes32[] memory list, uint256 oldSize) internal pure returns (bytes32[] memory) {
        return _subproof(list, oldSize, 0, list.length, true);
    }

    function _path(bytes32[] memory list, uint256 m, uint256 from, uint256 to) private pure returns (bytes32[] memory) {
        if (to - from == 1) return new bytes32[](0);
        uint256 k = split(to - from);
        return m < k
            ? _append(_path(list, m, from, from + k), mth(list, from + k, to))
            : _append(_path(list, m - k, from + k, to), mth(list, from, from + k));
    }

    function _subproof(bytes32[] memory list, uint256 m, uint256 from, uint256 to, bool whole)
        private
        pure
        returns (bytes32[] memory)
    {
        if (m == to - from) return whole ? new bytes32[](0) : _append(new bytes32[](0), mth(list, from, to));
        uint256 k = split(to - from);
        return m <= k
            ? _append(_subproof(list, m, from, from + k, whole), mth(list, from + k, to))
            : _append(_subproof(list, m - k, from + k, to, false), mth(list, from, from + k));
    }

    /// @dev Largest power of two smaller than n.
    function split(uint256 n) internal pure returns (uint256 k) {
        k = 1;
        while (k * 2 < n) k *= 2;
    }

    function _append(bytes32[] memory list, bytes32 last) private pure returns (bytes32[] memory longer) {
        longer = new bytes32[](list.length + 1);
        for (uint256 i = 0; i < list.length; ++i) {
            longer[i] = list[i];
        }
        longer[list.length] = last;
    }
}
