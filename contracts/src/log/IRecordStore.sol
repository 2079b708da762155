// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Store of encrypted records
/// @notice Keeps bytes in pieces, as events: for private ledgers that hold the records of a log beside its checkpoints. What the
/// bytes are is between those who have their key; anybody may put bytes under any id, so a reader believes only what opens with it.
interface IRecordStore {
    /// @notice A piece of the bytes of a record.
    struct Chunk {
        bytes32 id;
        uint32 index;
        uint32 count;
        bytes data;
    }

    /// @notice A piece was put: number `index` of `count`.
    event ChunkStored(bytes32 indexed id, address indexed author, uint32 index, uint32 count, bytes data);

    /// @notice A piece that is none of its record.
    error BadChunk(bytes32 id, uint32 index, uint32 count);

    /// @notice Puts pieces of records. The same again puts them again: ask before.
    /// @param chunks At least one; `index` is below `count` in each.
    function put(Chunk[] calldata chunks) external;
}
