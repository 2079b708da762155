// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Actors} from "./Actors.sol";
import {IAttestors} from "./IAttestors.sol";
import {IParties} from "./IParties.sol";
import {PartyId, Provenance, mayReplace} from "./IRules.sol";

/// @title Facts of other chains, in a contract whose parties are in another
/// @dev packages/rules/mirror.ts has the same rules.
abstract contract Facts is Actors {
    IAttestors private immutable _attestors;

    constructor(IParties parties, IAttestors attestors) Actors(parties) {
        _attestors = attestors;
    }

    /// @dev Who enters something, by the row of what it is.
    function _attestor(uint8 row) internal view returns (PartyId by, Provenance from) {
        return _attestors.attestor(row, msg.sender);
    }

    function _requireReplaceable(bytes32 subject, Provenance before, Provenance from) internal pure {
        if (!mayReplace(before, from)) revert NotYours(0, subject);
    }
}
