/** STIX Relationship Objects (section 5). */
import { commonProperties, objectType } from './common.ts'
import {
  before,
  boolean,
  integerBetween,
  type ObjectType,
  ordered,
  ref,
  refs,
  required,
  string,
  timestamp,
  withDefault,
} from './kinds.ts'

export const relationshipObjects: readonly ObjectType[] = [
  objectType(
    'sro',
    'relationship',
    '5.1.2',
    commonProperties.sdo,
    {
      relationship_type: required({ kind: 'relationship-type' }),
      description: string,
      source_ref: required(ref('sdo', 'sco')),
      target_ref: required(ref('sdo', 'sco')),
      start_time: timestamp,
      stop_time: timestamp,
    },
    [before('start_time', 'stop_time')],
  ),
  objectType(
    'sro',
    'sighting',
    '5.2.1',
    commonProperties.sdo,
    {
      description: string,
      first_seen: timestamp,
      last_seen: timestamp,
      count: integerBetween(0, 999_999_999),
      sighting_of_ref: required(ref('sdo')),
      observed_data_refs: refs('observed-data'),
      where_sighted_refs: refs('identity', 'location'),
      // A boolean in the OASIS Standard; the markdown edition of Errata 01 says "string", with false as the default.
      summary: withDefault(boolean, false),
    },
    [ordered('first_seen', 'last_seen')],
  ),
]
