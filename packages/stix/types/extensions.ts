/** Predefined object extensions (sections 3.10 and 6), and the extension definition of TLP 2.0. */
import {
  atLeastOne,
  boolean,
  dictionaryOf,
  type Extension,
  float,
  hashes,
  hex,
  integer,
  integerOrString,
  list,
  nested,
  nonNegative,
  oneOf,
  openVocab,
  ref,
  refs,
  required,
  string,
  structure,
  dictionary,
} from './kinds.ts'
import * as vocabulary from './vocabularies.ts'

const on = (types: readonly string[], extension: Extension): Extension => ({ ...extension, on: types })

const alternateDataStream = nested(
  structure('alternate-data-stream-type', '6.7.3.2', { name: required(string), hashes, size: nonNegative }),
)

const peOptionalHeader = nested(
  structure('windows-pe-optional-header-type', '6.7.6.2', {
    magic_hex: hex,
    major_linker_version: integer,
    minor_linker_version: integer,
    size_of_code: nonNegative,
    size_of_initialized_data: nonNegative,
    size_of_uninitialized_data: nonNegative,
    address_of_entry_point: integer,
    base_of_code: integer,
    base_of_data: integer,
    image_base: integer,
    section_alignment: integer,
    file_alignment: integer,
    major_os_version: integer,
    minor_os_version: integer,
    major_image_version: integer,
    minor_image_version: integer,
    major_subsystem_version: integer,
    minor_subsystem_version: integer,
    win32_version_value_hex: hex,
    size_of_image: nonNegative,
    size_of_headers: nonNegative,
    checksum_hex: hex,
    subsystem_hex: hex,
    dll_characteristics_hex: hex,
    size_of_stack_reserve: nonNegative,
    size_of_stack_commit: nonNegative,
    size_of_heap_reserve: nonNegative,
    size_of_heap_commit: nonNegative,
    loader_flags_hex: hex,
    number_of_rva_and_sizes: integer,
    hashes,
  }),
)

const peSection = nested(
  structure('windows-pe-section-type', '6.7.6.3', {
    name: required(string),
    size: nonNegative,
    entropy: float,
    hashes,
  }),
)

const peOptional = {
  imphash: string,
  machine_hex: hex,
  number_of_sections: nonNegative,
  time_date_stamp: { kind: 'timestamp', precision: 'seconds' } as const,
  pointer_to_symbol_table_hex: hex,
  number_of_symbols: nonNegative,
  size_of_optional_header: nonNegative,
  characteristics_hex: hex,
  file_header_hashes: hashes,
  optional_header: peOptionalHeader,
  sections: list(peSection),
}

export const predefinedExtensions: readonly Extension[] = [
  on(
    ['file'],
    structure('archive-ext', '6.7.2', { contains_refs: required(refs('file', 'directory')), comment: string }),
  ),
  on(['file'], structure('ntfs-ext', '6.7.3', { sid: string, alternate_data_streams: list(alternateDataStream) })),
  on(
    ['file'],
    structure('pdf-ext', '6.7.4', {
      version: string,
      is_optimized: boolean,
      document_info_dict: dictionaryOf(string),
      pdfid0: string,
      pdfid1: string,
    }),
  ),
  on(
    ['file'],
    structure('raster-image-ext', '6.7.5', {
      image_height: integer,
      image_width: integer,
      bits_per_pixel: integer,
      exif_tags: dictionaryOf(integerOrString),
    }),
  ),
  on(
    ['file'],
    structure(
      'windows-pebinary-ext',
      '6.7.6',
      { pe_type: required(openVocab(vocabulary.windowsPebinaryType)), ...peOptional },
      [atLeastOne(...Object.keys(peOptional))],
    ),
  ),
  on(
    ['network-traffic'],
    structure('http-request-ext', '6.12.2', {
      request_method: required(string),
      request_value: required(string),
      request_version: string,
      request_header: dictionaryOf(list(string)),
      message_body_length: integer,
      message_body_data_ref: ref('artifact'),
    }),
  ),
  on(
    ['network-traffic'],
    structure('icmp-ext', '6.12.3', { icmp_type_hex: required(hex), icmp_code_hex: required(hex) }),
  ),
  on(
    ['network-traffic'],
    structure('socket-ext', '6.12.4', {
      address_family: required(oneOf(vocabulary.networkSocketAddressFamily)),
      is_blocking: boolean,
      is_listening: boolean,
      options: dictionaryOf(integer),
      socket_type: oneOf(vocabulary.networkSocketType),
      socket_descriptor: nonNegative,
      socket_handle: integer,
    }),
  ),
  on(['network-traffic'], structure('tcp-ext', '6.12.5', { src_flags_hex: hex, dst_flags_hex: hex })),
  on(
    ['process'],
    structure('windows-process-ext', '6.13.2', {
      aslr_enabled: boolean,
      dep_enabled: boolean,
      priority: string,
      owner_sid: string,
      // So in the OASIS Standard; `windows_title` in the markdown edition of Errata 01.
      window_title: string,
      startup_info: dictionary,
      integrity_level: oneOf(vocabulary.windowsIntegrityLevel),
    }),
  ),
  on(
    ['process'],
    structure('windows-service-ext', '6.13.3', {
      service_name: string,
      descriptions: list(string),
      display_name: string,
      group_name: string,
      start_type: oneOf(vocabulary.windowsServiceStartType),
      service_dll_refs: refs('file'),
      service_type: oneOf(vocabulary.windowsServiceType),
      service_status: oneOf(vocabulary.windowsServiceStatus),
    }),
  ),
  on(
    ['user-account'],
    structure('unix-account-ext', '6.16.2', { gid: integer, groups: list(string), home_dir: string, shell: string }),
  ),
]

/** The extension definition under which the OASIS CTI TC publishes TLP 2.0 (its common objects repository). */
export const TLP_2_EXTENSION_ID = 'extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d'

/** The levels of TLP 2.0 as that extension spells them. */
export const tlp2Levels = ['clear', 'green', 'amber', 'amber+strict', 'red'] as const

export const knownExtensionDefinitions: readonly Extension[] = [
  on(
    ['marking-definition'],
    structure(TLP_2_EXTENSION_ID, '7.3', {
      extension_type: required(oneOf({ name: 'property-extension', section: '10.5', terms: ['property-extension'] })),
      tlp_2_0: required(oneOf({ name: 'TLP 2.0', section: '7.3', terms: tlp2Levels })),
    }),
  ),
]
