// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Merkle trees of RFC 9162 (Certificate Transparency 2.0), section 2.1, with SHA-256
/// @notice Pure functions, no state. Sizes and indexes are those of leaves; a proof lists its hashes from the leaf up.
/// @dev SHA-256 is the precompile at address 2. The functions rebuild roots from a proof; the caller compares them.
library RFC9162 {
    /// @notice Root of the tree without leaves: SHA-256 of nothing (section 2.1.1).
    bytes32 internal constant EMPTY_ROOT = 0xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855;

    /// @notice Leaf hash of an entry: SHA-256(0x00 || entry) (section 2.1.1).
    function hashLeaf(bytes memory entry) internal pure returns (bytes32) {
        return sha256(abi.encodePacked(bytes1(0x00), entry));
    }

    /// @notice Hash of an inner node: SHA-256(0x01 || left || right) (section 2.1.1).
    function hashNode(bytes32 left, bytes32 right) internal pure returns (bytes32) {
        return sha256(abi.encodePacked(bytes1(0x01), left, right));
    }

    /// @notice Root that an inclusion proof leads to (section 2.1.3.2).
    /// @param index Index of the leaf, from 0.
    /// @param size Size of the tree.
    /// @return wellFormed Whether index and length of the proof are possible in a tree of this size.
    /// @return root Root rebuilt from the leaf and the proof; without meaning unless `wellFormed`.
    function rootFromInclusion(uint64 index, uint64 size, bytes32 leafHash, bytes32[] calldata proof)
        internal
        pure
        returns (bool wellFormed, bytes32 root)
    {
        if (index >= size) return (false, 0);
        uint64 fn = index;
        uint64 sn = size - 1;
        root = leafHash;
        for (uint256 i = 0; i < proof.length; ++i) {
            if (sn == 0) return (false, 0);
            if (fn & 1 == 1 || fn == sn) {
                root = hashNode(proof[i], root);
                while (fn & 1 == 0 && fn != 0) {
                    fn >>= 1;
                    sn >>= 1;
                }
            } else {
                root = hashNode(root, proof[i]);
            }
            fn >>= 1;
            sn >>= 1;
        }
        return (sn == 0, root);
    }

    /// @notice The two roots that a consistency proof leads to (section 2.1.4.2).
    /// @param oldSize Size of the older tree, 0 < oldSize < newSize.
    /// @param oldRoot Root of the older tree: where `oldSize` is a power of two, the proof starts from it.
    /// @return wellFormed Whether the length of the proof fits the two sizes.
    /// @return oldFromProof Root of the older tree, rebuilt; without meaning unless `wellFormed`.
    /// @return newFromProof Root of the newer tree, rebuilt; without meaning unless `wellFormed`.
    function rootsFromConsistency(uint64 oldSize, bytes32 oldRoot, uint64 newSize, bytes32[] calldata proof)
        internal
        pure
        returns (bool wellFormed, bytes32 oldFromProof, bytes32 newFromProof)
    {
        if (oldSize == 0 || oldSize >= newSize || proof.length == 0) return (false, 0, 0);
        uint256 i = 0;
        if (oldSize & (oldSize - 1) == 0) {
            oldFromProof = oldRoot;
        } else {
            oldFromProof = proof[0];
            i = 1;
        }
        newFromProof = oldFromProof;
        uint64 fn = oldSize - 1;
        uint64 sn = newSize - 1;
        while (fn & 1 == 1) {
            fn >>= 1;
            sn >>= 1;
        }
        for (; i < proof.length; ++i) {
            if (sn == 0) return (false, 0, 0);
            if (fn & 1 == 1 || fn == sn) {
                oldFromProof = hashNode(proof[i], oldFromProof);
                newFromProof = hashNode(proof[i], newFromProof);
                while (fn & 1 == 0 && fn != 0) {
                    fn >>= 1;
                    sn >>= 1;
                }
            } else {
                newFromProof = hashNode(newFromProof, proof[i]);
            }
            fn >>= 1;
            sn >>= 1;
        }
        return (sn == 0, oldFromProof, newFromProof);
    }

    /// @notice Number of hashes in the consistency proof between two sizes (section 2.1.4.1); 0 where none is needed.
    /// @dev Steps of the verification from `oldSize - 1`: one for each bit below the point where the paths of the two last
    /// leaves meet (those under the lowest set bit of `oldSize` are skipped), one for each set bit above it.
    function consistencyLength(uint64 oldSize, uint64 newSize) internal pure returns (uint256 length) {
        if (oldSize == 0 || oldSize >= newSize) return 0;
        uint64 fn = oldSize - 1;
        uint64 sn = newSize - 1;
        while (fn & 1 == 1) {
            fn >>= 1;
            sn >>= 1;
        }
        if (fn != 0) length = 1;
        while (fn != sn) {
            ++length;
            fn >>= 1;
            sn >>= 1;
        }
        while (fn != 0) {
            length += fn & 1;
            fn >>= 1;
        }
    }
}
