// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IRecordStore} from "../src/log/IRecordStore.sol";
import {RecordStore} from "../src/log/RecordStore.sol";
import {Vm, vm} from "./Vm.sol";

contract RecordStoreTest {
    RecordStore private immutable STORE = new RecordStore();
    address private constant AUTHOR = address(0xA11CE);

    function chunk(bytes32 id, uint32 index, uint32 count, bytes memory data)
        private
        pure
        returns (IRecordStore.Chunk memory)
    {
        return IRecordStore.Chunk({id: id, index: index, count: count, data: data});
    }

    function test_fuzz_put_emitsEachPieceWithItsAuthor(bytes32 seed, uint8 countSeed, bytes calldata data) public {
        uint32 count = 1 + uint32(countSeed) % 20;
        IRecordStore.Chunk[] memory chunks = new IRecordStore.Chunk[](count);
        for (uint32 i = 0; i < count; ++i) {
            chunks[i] = chunk(seed, i, count, data);
        }
        vm.recordLogs();
        vm.prank(AUTHOR);
        STORE.put(chunks);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        vm.assertEq(logs.length, count);
        for (uint32 i = 0; i < count; ++i) {
            vm.assertEq(logs[i].topics[1], seed);
            vm.assertEq(logs[i].topics[2], bytes32(uint256(uint160(AUTHOR))));
            (uint32 index, uint32 total, bytes memory found) = abi.decode(logs[i].data, (uint32, uint32, bytes));
            vm.assertTrue(index == i && total == count && keccak256(found) == keccak256(data));
        }
    }

    function test_put_refusesAPieceBeyondItsCount_andAllWithIt() public {
        IRecordStore.Chunk[] memory chunks = new IRecordStore.Chunk[](2);
        chunks[0] = chunk(bytes32(uint256(1)), 0, 1, "good");
        chunks[1] = chunk(bytes32(uint256(2)), 3, 3, "bad");
        vm.expectRevert(
            abi.encodeWithSelector(IRecordStore.BadChunk.selector, bytes32(uint256(2)), uint32(3), uint32(3))
        );
        STORE.put(chunks);
    }
}
