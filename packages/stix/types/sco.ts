/** STIX Cyber-observable Objects (section 6), without their extensions. */
import { commonProperties, objectType } from './common.ts'
import {
  advised,
  at,
  atLeastOne,
  type Bare,
  binary,
  boolean,
  type Constraint,
  type Draft,
  dictionaryOf,
  exactlyOne,
  forbiddenWhen,
  formatted,
  hashes,
  hex,
  integer,
  integerBetween,
  integerOrString,
  list,
  needs,
  nested,
  nonNegative,
  type ObjectType,
  oneOf,
  openVocab,
  ordered,
  ref,
  refs,
  required,
  string,
  structure,
  timestamp,
} from './kinds.ts'
import { accountType, encryptionAlgorithm, windowsRegistryDatatype } from './vocabularies.ts'

const sco = (name: string, section: string, own: Record<string, Draft>, constraints: Bare<Constraint>[] = []) =>
  objectType('sco', name, section, commonProperties.sco, own, constraints)

/** "MUST contain at least one property" of its own: any name of the type's table will do. */
const ownProperty = (own: Record<string, Draft>, ...also: string[]) => atLeastOne(...Object.keys(own), ...also)

const fileTimes = { ctime: timestamp, mtime: timestamp, atime: timestamp }
const port = integerBetween(0, 65_535)
const endpoint = ref('ipv4-addr', 'ipv6-addr', 'mac-addr', 'domain-name')
const address = (format: 'ipv4' | 'ipv6', section: string) => ({
  value: required(formatted(format, section)),
  resolves_to_refs: refs('mac-addr'),
  belongs_to_refs: refs('autonomous-system'),
})

const emailMimePart = nested(
  structure(
    'email-mime-part-type',
    '6.6.2',
    { body: string, body_raw_ref: ref('artifact', 'file'), content_type: string, content_disposition: string },
    [atLeastOne('body', 'body_raw_ref')],
  ),
)

const registryValue = nested(
  structure('windows-registry-value-type', '6.17.2', {
    name: string,
    data: string,
    data_type: oneOf(windowsRegistryDatatype),
  }),
)

const x509V3Extensions = nested(
  structure('x509-v3-extensions-type', '6.18.2', {
    basic_constraints: string,
    name_constraints: string,
    policy_constraints: string,
    key_usage: string,
    extended_key_usage: string,
    subject_key_identifier: string,
    authority_key_identifier: string,
    subject_alternative_name: string,
    issuer_alternative_name: string,
    subject_directory_attributes: string,
    crl_distribution_points: string,
    inhibit_any_policy: string,
    private_key_usage_period_not_before: timestamp,
    private_key_usage_period_not_after: timestamp,
    certificate_policies: string,
    policy_mappings: string,
  }),
)

const process = {
  is_hidden: boolean,
  pid: integer,
  created_time: timestamp,
  cwd: string,
  command_line: string,
  environment_variables: dictionaryOf(string),
  opened_connection_refs: refs('network-traffic'),
  creator_user_ref: ref('user-account'),
  image_ref: ref('file'),
  parent_ref: ref('process'),
  child_refs: refs('process'),
}

const userAccount = {
  user_id: string,
  credential: string,
  account_login: string,
  account_type: openVocab(accountType),
  display_name: string,
  is_service_account: boolean,
  is_privileged: boolean,
  can_escalate_privs: boolean,
  is_disabled: boolean,
  account_created: timestamp,
  account_expires: timestamp,
  credential_last_changed: timestamp,
  account_first_login: timestamp,
  account_last_login: timestamp,
}

const registryKey = {
  key: string,
  values: list(registryValue),
  modified_time: timestamp,
  creator_user_ref: ref('user-account'),
  number_of_subkeys: integer,
}

const x509Certificate = {
  is_self_signed: boolean,
  hashes,
  version: string,
  serial_number: string,
  signature_algorithm: string,
  issuer: string,
  validity_not_before: timestamp,
  validity_not_after: timestamp,
  subject: string,
  subject_public_key_algorithm: string,
  subject_public_key_modulus: string,
  subject_public_key_exponent: integer,
  x509_v3_extensions: x509V3Extensions,
}

export const cyberObservableObjects: readonly ObjectType[] = [
  sco(
    'artifact',
    '6.1.1',
    {
      mime_type: advised('media-type', '6.1.1'),
      payload_bin: binary,
      url: formatted('url', '6.1.1'),
      hashes,
      encryption_algorithm: oneOf(encryptionAlgorithm),
      decryption_key: string,
    },
    [exactlyOne('payload_bin', 'url'), needs('url', 'hashes'), needs('decryption_key', 'encryption_algorithm')],
  ),
  sco('autonomous-system', '6.2.1', { number: required(integer), name: string, rir: string }),
  sco('directory', '6.3.1', {
    path: required(string),
    path_enc: formatted('character-set', '3.9.1'),
    ...fileTimes,
    contains_refs: refs('file', 'directory'),
  }),
  sco('domain-name', '6.4.1', {
    value: required(formatted('domain-name', '6.4.1')),
    resolves_to_refs: refs('ipv4-addr', 'ipv6-addr', 'domain-name'),
  }),
  sco('email-addr', '6.5.1', {
    value: required(formatted('email', '6.5.1')),
    display_name: string,
    belongs_to_ref: ref('user-account'),
  }),
  sco(
    'email-message',
    '6.6.1',
    {
      is_multipart: required(boolean),
      date: timestamp,
      content_type: string,
      from_ref: ref('email-addr'),
      sender_ref: ref('email-addr'),
      to_refs: refs('email-addr'),
      cc_refs: refs('email-addr'),
      bcc_refs: refs('email-addr'),
      message_id: string,
      subject: string,
      received_lines: list(string),
      additional_header_fields: dictionaryOf(list(string)),
      body: string,
      body_multipart: list(emailMimePart),
      raw_email_ref: ref('artifact'),
    },
    [forbiddenWhen('is_multipart', true, 'body'), forbiddenWhen('is_multipart', false, 'body_multipart')],
  ),
  sco(
    'file',
    '6.7.1',
    {
      hashes,
      size: nonNegative,
      name: string,
      name_enc: formatted('character-set', '3.9.1'),
      magic_number_hex: hex,
      mime_type: advised('media-type', '6.7.1'),
      ...fileTimes,
      parent_directory_ref: ref('directory'),
      contains_refs: refs('sco'),
      content_ref: ref('artifact'),
    },
    [at('6.7', atLeastOne('hashes', 'name')), at('3.1', needs('name_enc', 'name'))],
  ),
  sco('ipv4-addr', '6.8.1', address('ipv4', '6.8.1')),
  sco('ipv6-addr', '6.9.1', address('ipv6', '6.9.1')),
  sco('mac-addr', '6.10.1', { value: required(formatted('mac', '6.10.1')) }),
  sco('mutex', '6.11.1', { name: required(string) }),
  sco(
    'network-traffic',
    '6.12.1',
    {
      start: timestamp,
      end: timestamp,
      is_active: boolean,
      src_ref: endpoint,
      dst_ref: endpoint,
      src_port: port,
      dst_port: port,
      protocols: required(list(string)),
      src_byte_count: nonNegative,
      dst_byte_count: nonNegative,
      src_packets: nonNegative,
      dst_packets: nonNegative,
      ipfix: dictionaryOf(integerOrString),
      src_payload_ref: ref('artifact'),
      dst_payload_ref: ref('artifact'),
      encapsulates_refs: refs('network-traffic'),
      encapsulated_by_ref: ref('network-traffic'),
    },
    [at('6.12', atLeastOne('src_ref', 'dst_ref')), forbiddenWhen('is_active', true, 'end'), ordered('start', 'end')],
  ),
  sco('process', '6.13.1', process, [at('6.13', ownProperty(process, 'extensions'))]),
  sco('software', '6.14.1', {
    name: required(string),
    cpe: formatted('cpe', '6.14.1'),
    swid: string,
    languages: list({ kind: 'language', section: '6.14.1' }),
    vendor: string,
    version: string,
  }),
  sco('url', '6.15.1', { value: required(formatted('url', '6.15.1')) }),
  sco('user-account', '6.16.1', userAccount, [at('6.16', ownProperty(userAccount, 'extensions'))]),
  sco('windows-registry-key', '6.17.1', registryKey, [at('6.17', ownProperty(registryKey))]),
  sco('x509-certificate', '6.18.1', x509Certificate, [at('6.18', ownProperty(x509Certificate))]),
]
