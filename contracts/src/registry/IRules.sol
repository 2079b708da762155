// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @notice Party of the federation: a member, an authority, a body, a manufacturer, a holder or a vulnerability provider.
type PartyId is bytes32;
/// @notice ISO 3166-1 alpha-2 in ASCII, or "EU".
type Country is bytes2;

/// @notice What a party is. Members vote on the EU chain; authorities are seated by them; authorities register the others.
enum PartyKind {
    None,
    Commission,
    Enisa,
    State,
    Ncca,
    Nab,
    Coordinator,
    CertificationBody,
    PublicBody,
    Cab,
    Itsef,
    Manufacturer,
    Holder,
    Provider
}

/// @notice A party that is entered, and its first key.
struct NewParty {
    PartyId id;
    PartyKind kind;
    Country country;
    address key;
    /// SHA-256 of what it was designated or registered by.
    bytes32 act;
}

/// @notice How a fact of another chain came here: on an authority's word, or with a proof.
enum Provenance {
    Own,
    Attested,
    Proven
}

/// @notice What was registered here is nobody else's to say, and what has come with a proof is not taken back on a word.
function mayReplace(Provenance before, Provenance from) pure returns (bool) {
    return before != Provenance.Own && from >= before;
}

/// @notice Whether it is two capital letters.
function isCountry(Country country) pure returns (bool) {
    bytes2 letters = Country.unwrap(country);
    return letters[0] >= "A" && letters[0] <= "Z" && letters[1] >= "A" && letters[1] <= "Z";
}

/// @notice Whether the members of the EU chain seat it.
function isAuthority(PartyKind kind) pure returns (bool) {
    return kind >= PartyKind.Ncca && kind <= PartyKind.Coordinator;
}

/// @notice Whether it assesses or certifies.
function isBody(PartyKind kind) pure returns (bool) {
    return kind >= PartyKind.CertificationBody && kind <= PartyKind.Itsef;
}

/// @title Refusals of the federation's contracts
/// @notice They have the names of `RefusalCode` in packages/rules, and say first by which row of its table something was refused.
interface IRules {
    /// @notice The caller's key belongs to nobody.
    error UnknownKey(uint8 row, address key);
    /// @notice The key was revoked.
    error RevokedKey(uint8 row, address key);
    /// @notice The key is, or was, somebody's already.
    error KeyTaken(uint8 row, address key);
    /// @notice The party was removed.
    error NotActive(uint8 row, bytes32 party);
    /// @notice A party of this kind may not do this.
    error WrongRole(uint8 row, PartyKind kind);
    /// @notice The party is of another country.
    error WrongCountry(uint8 row, Country expected, Country actual);
    /// @notice This is another party's.
    error NotYours(uint8 row, bytes32 what);
    /// @notice There is no such thing.
    error Unknown(uint8 row, bytes32 what);
    /// @notice It is there already.
    error Exists(uint8 row, bytes32 what);
    /// @notice Something that must be said was left empty.
    error Missing(uint8 row, bytes32 what);
    /// @notice This party has agreed already.
    error VotedAlready(uint8 row, bytes32 party);
    /// @notice It is over.
    error Closed(uint8 row, bytes32 what);
    /// @notice Fewer would be left than there must be.
    error BelowMinimum(uint8 row, uint256 actual, uint256 minimum);
    /// @notice A number or a time is outside what is allowed.
    error OutOfBounds(uint8 row, uint256 actual, uint256 bound);
    /// @notice It is not on this chain.
    error WrongChain(uint8 row);
    /// @notice It is not in a state in which this is done.
    error WrongState(uint8 row, uint256 state);
    /// @notice This is not what it was.
    error Mismatch(uint8 row, bytes32 expected);
    /// @notice The body is not accredited now.
    error NotAccredited(uint8 row, PartyId body);
    /// @notice The body is not authorised now.
    error NotAuthorised(uint8 row, PartyId body);
    /// @notice Issuing *high* was not delegated to the body.
    error NotDelegated(uint8 row, PartyId body);
    /// @notice The scheme, the levels or the scope of a body do not have this.
    error OutOfScope(uint8 row, bytes32 what);
}
