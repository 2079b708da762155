// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {RFC9162} from "../src/log/RFC9162.sol";
import {Tree} from "./Tree.sol";
import {vm} from "./Vm.sol";

/// @dev Library functions with calldata arguments need an external caller.
contract RFC9162Caller {
    function inclusion(uint64 index, uint64 size, bytes32 leafHash, bytes32[] calldata proof)
        external
        pure
        returns (bool, bytes32)
    {
        return RFC9162.rootFromInclusion(index, size, leafHash, proof);
    }

    function consistency(uint64 oldSize, bytes32 oldRoot, uint64 newSize, bytes32[] calldata proof)
        external
        pure
        returns (bool, bytes32, bytes32)
    {
        return RFC9162.rootsFromConsistency(oldSize, oldRoot, newSize, proof);
    }
}

contract RFC9162Test {
    RFC9162Caller private immutable CALLER = new RFC9162Caller();

    function test_hashLeaf_ofNothing() public pure {
        // RFC 9162 gives no vectors; this is the leaf hash of the empty entry in the reference trees of RFC 6962 logs.
        vm.assertEq(RFC9162.hashLeaf(""), 0x6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d);
        vm.assertEq(RFC9162.EMPTY_ROOT, sha256(""));
    }

    function test_fuzz_inclusion(bytes32 seed, uint8 sizeSeed, uint8 indexSeed) public view {
        uint64 size = 1 + uint64(sizeSeed) % 70;
        uint64 index = uint64(indexSeed) % size;
        bytes32[] memory list = Tree.leaves(seed, size);
        bytes32[] memory proof = Tree.path(list, index);
        (bool wellFormed, bytes32 root) = CALLER.inclusion(index, size, list[index], proof);
        vm.assertTrue(wellFormed);
        vm.assertEq(root, Tree.root(list));
    }

    function test_fuzz_inclusion_bitFlipped(bytes32 seed, uint8 sizeSeed, uint8 indexSeed, uint8 bit) public view {
        uint64 size = 2 + uint64(sizeSeed) % 70;
        uint64 index = uint64(indexSeed) % size;
        bytes32[] memory list = Tree.leaves(seed, size);
        bytes32[] memory proof = Tree.path(list, index);
        proof[bit % proof.length] ^= bytes32(uint256(1) << bit);
        (, bytes32 root) = CALLER.inclusion(index, size, list[index], proof);
        vm.assertFalse(root == Tree.root(list));
    }

    function test_fuzz_consistency(bytes32 seed, uint8 oldSeed, uint8 newSeed) public view {
        uint64 newSize = 2 + uint64(newSeed) % 70;
        uint64 oldSize = 1 + uint64(oldSeed) % (newSize - 1);
        bytes32[] memory list = Tree.leaves(seed, newSize);
        bytes32[] memory proof = Tree.consistency(list, oldSize);
        bytes32 oldRoot = Tree.root(seed, oldSize);
        vm.assertEq(proof.length, RFC9162.consistencyLength(oldSize, newSize));
        (bool wellFormed, bytes32 fromOld, bytes32 fromNew) = CALLER.consistency(oldSize, oldRoot, newSize, proof);
        vm.assertTrue(wellFormed);
        vm.assertEq(fromOld, oldRoot);
        vm.assertEq(fromNew, Tree.root(list));
    }

    function test_fuzz_consistency_bitFlipped(bytes32 seed, uint8 oldSeed, uint8 newSeed, uint8 bit) public view {
        uint64 newSize = 2 + uint64(newSeed) % 70;
        uint64 oldSize = 1 + uint64(oldSeed) % (newSize - 1);
        bytes32[] memory list = Tree.leaves(seed, newSize);
        bytes32[] memory proof = Tree.consistency(list, oldSize);
        proof[bit % proof.length] ^= bytes32(uint256(1) << bit);
        (, bytes32 fromOld, bytes32 fromNew) = CALLER.consistency(oldSize, Tree.root(seed, oldSize), newSize, proof);
        vm.assertFalse(fromOld == Tree.root(seed, oldSize) && fromNew == Tree.root(list));
    }

    function test_fuzz_consistency_onlyOneLengthIsWellFormed(uint64 oldSize, uint64 newSize, uint8 length) public view {
        bytes32[] memory proof = new bytes32[](length % 140);
        (bool wellFormed,,) = CALLER.consistency(oldSize, 0, newSize, proof);
        uint256 expected = RFC9162.consistencyLength(oldSize, newSize);
        vm.assertEq(wellFormed, expected != 0 && proof.length == expected, "length");
        if (expected == 0) return;
        (wellFormed,,) = CALLER.consistency(oldSize, 0, newSize, new bytes32[](expected));
        vm.assertTrue(wellFormed);
    }
}
