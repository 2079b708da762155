/** Section 3.1: what every TAXII 2.1 server takes and answers, written without a space (some compare it as text). */
export const TAXII = 'application/taxii+json;version=2.1'
/** docs/formats.md 7 and 9 */
export const PROOF = 'application/vnd.entente.proof+json;version=1'
/** docs/formats.md 13 */
export const COSE = 'application/cose'
/** docs/formats.md 10 */
export const RECORDS = 'application/vnd.entente.records+json;version=1'
/** docs/formats.md 15, as WHATWG HTML section 9.2 carries it. */
export const EVENT_STREAM = 'text/event-stream'
