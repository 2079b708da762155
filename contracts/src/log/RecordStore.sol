// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IRecordStore} from "./IRecordStore.sol";

/// @notice See IRecordStore.
contract RecordStore is IRecordStore {
    /// @inheritdoc IRecordStore
    function put(Chunk[] calldata chunks) external {
        for (uint256 i = 0; i < chunks.length; ++i) {
            Chunk calldata chunk = chunks[i];
            if (chunk.index >= chunk.count) revert BadChunk(chunk.id, chunk.index, chunk.count);
            emit ChunkStored(chunk.id, msg.sender, chunk.index, chunk.count, chunk.data);
        }
    }
}
