// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {RFC9162} from "../src/log/RFC9162.sol";
import {RFC9162Caller} from "./RFC9162.t.sol";
import {Vm, vm} from "./Vm.sol";

/// @dev The inclusion and consistency vectors of transparency-dev/merkle (Apache-2.0), read from the data folder.
contract VectorsTest {
    string private constant DATA = "../../shared/data/merkle/testdata/";
    RFC9162Caller private immutable CALLER = new RFC9162Caller();

    function test_inclusion_vectors() public {
        Vm.DirEntry[] memory entries = _vectors("inclusion");
        uint256 checked = 0;
        for (uint256 i = 0; i < entries.length; ++i) {
            if (entries[i].isDir) continue;
            string memory json = vm.readFile(entries[i].path);
            uint256 index = vm.parseJsonUint(json, ".leafIdx");
            uint256 size = vm.parseJsonUint(json, ".treeSize");
            (bool wellFormed, bytes32 root) =
                CALLER.inclusion(uint64(index), uint64(size), _hash(json, ".leafHash"), _proof(json));
            bytes32 stored = _hash(json, ".root");
            bool accepted = stored != 0 && wellFormed && root == stored; // as CheckpointAnchor.verifyInclusion
            vm.assertEq(accepted, !vm.parseJsonBool(json, ".wantErr"), entries[i].path);
            ++checked;
        }
        vm.assertEq(checked, 98);
    }

    function test_consistency_vectors() public {
        Vm.DirEntry[] memory entries = _vectors("consistency");
        uint256 checked = 0;
        for (uint256 i = 0; i < entries.length; ++i) {
            if (entries[i].isDir) continue;
            string memory json = vm.readFile(entries[i].path);
            uint64 size1 = uint64(vm.parseJsonUint(json, ".size1"));
            bool refused = vm.parseJsonBool(json, ".wantErr");
            vm.assertEq(_consistent(json, size1, _proof(json)), !refused, entries[i].path);
            ++checked;
        }
        vm.assertEq(checked, 98);
    }

    /// @dev What CheckpointAnchor.anchor decides from a latest checkpoint (size1, root1) about (size2, root2).
    function _consistent(string memory json, uint64 size1, bytes32[] memory proof) private view returns (bool) {
        uint64 size2 = uint64(vm.parseJsonUint(json, ".size2"));
        bytes32 root1 = _hash(json, ".root1");
        bytes32 root2 = _hash(json, ".root2");
        if (size2 < size1) return false;
        // From nothing every tree is consistent, but three vectors have words of 12 bytes in place of roots (decision 0001).
        if (size1 == 0) return proof.length == 0 && root1 == RFC9162.EMPTY_ROOT && _isHash(json, ".root2");
        if (size2 == size1) return root1 == root2 && proof.length == 0;
        (bool wellFormed, bytes32 fromOld, bytes32 fromNew) = CALLER.consistency(size1, root1, size2, proof);
        return wellFormed && fromOld == root1 && fromNew == root2;
    }

    function _isHash(string memory json, string memory key) private pure returns (bool) {
        return bytes(vm.parseJsonString(json, key)).length == 44;
    }

    function _vectors(string memory kind) private returns (Vm.DirEntry[] memory) {
        bool present = false;
        try vm.exists(DATA) returns (bool exists) {
            present = exists;
        } catch {} // forge allows no path that does not exist
        vm.skip(!present, "no vectors: ../shared/data/merkle is absent");
        return vm.readDir(string.concat(DATA, kind), 3);
    }

    function _proof(string memory json) private pure returns (bytes32[] memory proof) {
        if (vm.contains(json, '"proof": null')) return proof;
        string[] memory list = vm.parseJsonStringArray(json, ".proof");
        proof = new bytes32[](list.length);
        for (uint256 i = 0; i < list.length; ++i) {
            proof[i] = _bytes32(list[i]);
        }
    }

    function _hash(string memory json, string memory key) private pure returns (bytes32) {
        return _bytes32(vm.parseJsonString(json, key));
    }

    /// @dev Base64 (RFC 4648, section 4). Some vectors have a word, or a hash of another length, in place of a hash: it becomes a
    /// hash of its bytes, which equals nothing but itself. An empty text becomes zero, which stands for "not stored".
    function _bytes32(string memory text) private pure returns (bytes32) {
        bytes memory input = bytes(text);
        bytes memory output = new bytes(input.length / 4 * 3);
        uint256 length = 0;
        for (uint256 i = 0; i + 3 < input.length; i += 4) {
            uint256 bits = _sextet(input[i]) << 18 | _sextet(input[i + 1]) << 12 | _sextet(input[i + 2]) << 6
                | _sextet(input[i + 3]);
            output[length++] = bytes1(uint8(bits >> 16));
            if (input[i + 2] != "=") output[length++] = bytes1(uint8(bits >> 8));
            if (input[i + 3] != "=") output[length++] = bytes1(uint8(bits));
        }
        bytes memory exact = new bytes(length);
        for (uint256 i = 0; i < length; ++i) {
            exact[i] = output[i];
        }
        if (length == 0) return 0;
        return length == 32 ? bytes32(exact) : keccak256(exact);
    }

    function _sextet(bytes1 character) private pure returns (uint256) {
        uint8 c = uint8(character);
        if (c >= 0x41 && c <= 0x5a) return c - 0x41;
        if (c >= 0x61 && c <= 0x7a) return c - 0x61 + 26;
        if (c >= 0x30 && c <= 0x39) return c - 0x30 + 52;
        if (c == 0x2b) return 62;
        return c == 0x2f ? 63 : 0;
    }
}
