// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ConsortiumRegistry} from "../src/eu/ConsortiumRegistry.sol";
import {FrameworkRegistry} from "../src/eu/FrameworkRegistry.sol";
import {IFrameworkRegistry} from "../src/eu/IFrameworkRegistry.sol";
import {Country, IRules, NewParty, PartyId, PartyKind} from "../src/registry/IRules.sol";
import {SchemeId, Schemes, Terms} from "../src/registry/Schemes.sol";
import {START, UnionChain, idOf, keyOf, partyOf, termsOf} from "./Chains.sol";
import {vm} from "./Vm.sol";

/// @dev Rows 1 to 3 and 5. Members: 1 Commission, 2 FR, 3 DE, 4 IT; three of the four agree.
contract UnionTest {
    UnionChain private immutable CHAIN = new UnionChain();
    ConsortiumRegistry private immutable CONSORTIUM = CHAIN.CONSORTIUM();
    FrameworkRegistry private immutable FRAMEWORK = CHAIN.FRAMEWORK();
    SchemeId private constant SCHEME = SchemeId.wrap("scheme");

    function test_seat_byItsOwnStateAndAQuorum_row1() public {
        NewParty memory ncca = partyOf(20, PartyKind.Ncca);
        vm.prank(keyOf(3));
        vm.expectPartialRevert(IRules.WrongCountry.selector);
        CONSORTIUM.proposeSeat(ncca);
        vm.prank(keyOf(2));
        uint256 number = CONSORTIUM.proposeSeat(ncca);
        vm.prank(keyOf(2));
        vm.expectRevert(abi.encodeWithSelector(IRules.VotedAlready.selector, 1, idOf(2)));
        CONSORTIUM.vote(number);
        _vote(3, number);
        _assertActive(20, false);
        _vote(1, number);
        _assertActive(20, true);
        vm.prank(keyOf(4));
        vm.expectRevert(abi.encodeWithSelector(IRules.Closed.selector, 1, number));
        CONSORTIUM.vote(number);
    }

    function test_replaceKey_ofAnAuthorityThatHasLostIt_row1() public {
        vm.prank(keyOf(2));
        uint256 number = CONSORTIUM.proposeSeat(partyOf(20, PartyKind.Ncca));
        _vote(3, number);
        _vote(4, number);
        vm.prank(keyOf(2));
        number = CONSORTIUM.proposeKey(idOf(20), keyOf(20), keyOf(21), "act");
        _vote(3, number);
        _vote(4, number);
        (PartyId party, uint64 since, uint64 revoked) = CONSORTIUM.keyOf(keyOf(20));
        vm.assertTrue(since == START && revoked == START);
        (party,,) = CONSORTIUM.keyOf(keyOf(21));
        vm.assertEq(PartyId.unwrap(party), bytes32(uint256(20)));
    }

    function test_validators_neverBelowTheMinimum_row2() public {
        bytes32[] memory none = new bytes32[](0);
        bytes32[] memory two = new bytes32[](2);
        (two[0], two[1]) = ("a", "b");
        vm.startPrank(keyOf(3));
        vm.expectRevert(abi.encodeWithSelector(IRules.BelowMinimum.selector, 2, 1, 2));
        CONSORTIUM.proposeValidators("FR", none, two);
        vm.stopPrank();
        bytes32[] memory one = new bytes32[](1);
        one[0] = "a";
        vm.prank(keyOf(3));
        uint256 first = CONSORTIUM.proposeValidators("FR", none, one);
        one[0] = "b";
        vm.prank(keyOf(3));
        uint256 second = CONSORTIUM.proposeValidators("FR", none, one);
        _vote(1, first);
        _vote(1, second);
        _vote(2, first);
        vm.assertEq(CONSORTIUM.validatorsOf("FR").length, 2);
        // Each was right when it was proposed; both together are not.
        vm.prank(keyOf(2));
        vm.expectRevert(abi.encodeWithSelector(IRules.BelowMinimum.selector, 2, 1, 2));
        CONSORTIUM.vote(second);
    }

    function test_dismissal_takesTheVotesOfWhoWent_row2() public {
        vm.prank(keyOf(4));
        uint256 late = CONSORTIUM.proposeUpgrade("contract", "code");
        vm.prank(keyOf(1));
        uint256 number = CONSORTIUM.proposeDismissal(idOf(4), "act");
        _vote(2, number);
        _vote(3, number);
        vm.assertEq(CONSORTIUM.quorum(), 2);
        _vote(2, late);
        (,,, bool isDone,,) = CONSORTIUM.proposal(late);
        vm.assertFalse(isDone);
        _vote(3, late);
        (,,, isDone,,) = CONSORTIUM.proposal(late);
        vm.assertTrue(isDone);
    }

    function test_fuzz_vote_onlyInTime_row2(uint32 time) public {
        vm.prank(keyOf(2));
        uint256 number = CONSORTIUM.proposeUpgrade("contract", "code");
        vm.warp(uint256(START) + time);
        bool isLate = time >= 30 days;
        if (isLate) vm.expectRevert(abi.encodeWithSelector(IRules.Closed.selector, 2, number));
        vm.prank(keyOf(3));
        CONSORTIUM.vote(number);
    }

    function test_adoptScheme_isAVersionOfItsOwn_row3() public {
        Terms memory terms = termsOf("scope");
        vm.prank(keyOf(2));
        vm.expectPartialRevert(IRules.WrongRole.selector);
        FRAMEWORK.adoptScheme(SCHEME, terms);
        vm.startPrank(keyOf(1));
        FRAMEWORK.adoptScheme(SCHEME, terms);
        terms.maxSuspension = 60 days;
        FRAMEWORK.adoptScheme(SCHEME, terms);
        vm.assertEq(FRAMEWORK.versionOf(SCHEME), 2);
        vm.assertEq(FRAMEWORK.termsOf(SCHEME, 1).maxSuspension, 42 days);
        vm.expectRevert(abi.encodeWithSelector(Schemes.Covered.selector, 3, bytes32("scope")));
        FRAMEWORK.adoptScheme(SchemeId.wrap("another"), terms);
    }

    function test_recogniseCountry_row5() public {
        Country norway = Country.wrap("NO");
        IFrameworkRegistry.Recognition memory r = IFrameworkRegistry.Recognition("agreement", 4, START, START + 1, true);
        vm.startPrank(keyOf(1));
        vm.expectPartialRevert(IRules.Unknown.selector);
        FRAMEWORK.recogniseCountry(norway, SCHEME, r);
        FRAMEWORK.adoptScheme(SCHEME, termsOf("scope"));
        r.levels = 8;
        vm.expectPartialRevert(IRules.OutOfScope.selector);
        FRAMEWORK.recogniseCountry(norway, SCHEME, r);
        r.levels = 4;
        FRAMEWORK.recogniseCountry(norway, SCHEME, r);
        vm.assertTrue(FRAMEWORK.recognitionOf(norway, SCHEME).isEea);
    }

    function _vote(uint256 by, uint256 number) private {
        vm.prank(keyOf(by));
        CONSORTIUM.vote(number);
    }

    function _assertActive(uint256 n, bool wanted) private view {
        (,, bool isActive,,,) = CONSORTIUM.partyOf(idOf(n));
        vm.assertEq(isActive, wanted, "seated");
    }
}
