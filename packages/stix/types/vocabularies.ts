/** The vocabularies (`-ov`, suggested terms) and enumerations (`-enum`, closed) of section 10. */
import type { Vocabulary } from './kinds.ts'

export const accountType: Vocabulary = {
  name: 'account-type-ov',
  section: '10.1',
  terms: [
    'facebook',
    'ldap',
    'nis',
    'openid',
    'radius',
    'skype',
    'tacacs',
    'twitter',
    'unix',
    'windows-local',
    'windows-domain',
  ],
}

export const attackMotivation: Vocabulary = {
  name: 'attack-motivation-ov',
  section: '10.2',
  terms: [
    'accidental',
    'coercion',
    'dominance',
    'ideology',
    'notoriety',
    'organizational-gain',
    'personal-gain',
    'personal-satisfaction',
    'revenge',
    'unpredictable',
  ],
}

export const attackResourceLevel: Vocabulary = {
  name: 'attack-resource-level-ov',
  section: '10.3',
  terms: ['individual', 'club', 'contest', 'team', 'organization', 'government'],
}

export const encryptionAlgorithm: Vocabulary = {
  name: 'encryption-algorithm-enum',
  section: '10.4',
  terms: ['AES-256-GCM', 'ChaCha20-Poly1305', 'mime-type-indicated'],
}

export const extensionType: Vocabulary = {
  name: 'extension-type-enum',
  section: '10.5',
  terms: ['new-sdo', 'new-sco', 'new-sro', 'property-extension', 'toplevel-property-extension'],
}

export const groupingContext: Vocabulary = {
  name: 'grouping-context-ov',
  section: '10.6',
  terms: ['suspicious-activity', 'malware-analysis', 'unspecified'],
}

export const hashAlgorithm: Vocabulary = {
  name: 'hash-algorithm-ov',
  section: '10.7',
  terms: ['MD5', 'SHA-1', 'SHA-256', 'SHA-512', 'SHA3-256', 'SHA3-512', 'SSDEEP', 'TLSH'],
}

export const identityClass: Vocabulary = {
  name: 'identity-class-ov',
  section: '10.8',
  terms: ['individual', 'group', 'system', 'organization', 'class', 'unknown'],
}

export const implementationLanguage: Vocabulary = {
  name: 'implementation-language-ov',
  section: '10.9',
  terms: [
    'applescript',
    'bash',
    'c',
    'c++',
    'c#',
    'go',
    'java',
    'javascript',
    'lua',
    'objective-c',
    'perl',
    'php',
    'powershell',
    'python',
    'ruby',
    'rust',
    'scala',
    'swift',
    'typescript',
    'visual-basic',
    'x86-32',
    'x86-64',
  ],
}

export const indicatorType: Vocabulary = {
  name: 'indicator-type-ov',
  section: '10.10',
  terms: [
    'anomalous-activity',
    'anonymization',
    'benign',
    'compromised',
    'malicious-activity',
    'attribution',
    'unknown',
  ],
}

export const industrySector: Vocabulary = {
  name: 'industry-sector-ov',
  section: '10.11',
  terms: [
    'agriculture',
    'aerospace',
    'automotive',
    'chemical',
    'commercial',
    'communications',
    'construction',
    'defense',
    'education',
    'energy',
    'entertainment',
    'financial-services',
    'government',
    'emergency-services',
    'government-local',
    'government-national',
    'government-public-services',
    'government-regional',
    'healthcare',
    'hospitality-leisure',
    'infrastructure',
    'dams',
    'nuclear',
    'water',
    'insurance',
    'legal',
    'manufacturing',
    'mining',
    'non-profit',
    'pharmaceuticals',
    'retail',
    'technology',
    'telecommunications',
    'transportation',
    'utilities',
  ],
}

export const infrastructureType: Vocabulary = {
  name: 'infrastructure-type-ov',
  section: '10.12',
  terms: [
    'amplification',
    'anonymization',
    'botnet',
    'command-and-control',
    'control-system',
    'exfiltration',
    'firewall',
    'hosting-malware',
    'hosting-target-lists',
    'phishing',
    'reconnaissance',
    'routers-switches',
    'staging',
    'workstation',
    'unknown',
  ],
}

export const malwareCapabilities: Vocabulary = {
  name: 'malware-capabilities-ov',
  section: '10.13',
  terms: [
    'accesses-remote-machines',
    'anti-debugging',
    'anti-disassembly',
    'anti-emulation',
    'anti-memory-forensics',
    'anti-sandbox',
    'anti-vm',
    'captures-input-peripherals',
    'captures-output-peripherals',
    'captures-system-state-data',
    'cleans-traces-of-infection',
    'commits-fraud',
    'communicates-with-c2',
    'compromises-data-availability',
    'compromises-data-integrity',
    'compromises-system-availability',
    'controls-local-machine',
    'degrades-security-software',
    'degrades-system-updates',
    'determines-c2-server',
    'emails-spam',
    'escalates-privileges',
    'evades-av',
    'exfiltrates-data',
    'fingerprints-host',
    'hides-artifacts',
    'hides-executing-code',
    'infects-files',
    'infects-remote-machines',
    'installs-other-components',
    'persists-after-system-reboot',
    'prevents-artifact-access',
    'prevents-artifact-deletion',
    'probes-network-environment',
    'self-modifies',
    'steals-authentication-credentials',
    'violates-system-operational-integrity',
  ],
}

export const malwareResult: Vocabulary = {
  name: 'malware-result-ov',
  section: '10.14',
  terms: ['malicious', 'suspicious', 'benign', 'unknown'],
}

export const malwareType: Vocabulary = {
  name: 'malware-type-ov',
  section: '10.15',
  terms: [
    'adware',
    'backdoor',
    'bot',
    'bootkit',
    'ddos',
    'downloader',
    'dropper',
    'exploit-kit',
    'keylogger',
    'ransomware',
    'remote-access-trojan',
    'resource-exploitation',
    'rogue-security-software',
    'rootkit',
    'screen-capture',
    'spyware',
    'trojan',
    'unknown',
    'virus',
    'webshell',
    'wiper',
    'worm',
  ],
}

export const networkSocketAddressFamily: Vocabulary = {
  name: 'network-socket-address-family-enum',
  section: '10.16',
  terms: ['AF_UNSPEC', 'AF_INET', 'AF_IPX', 'AF_APPLETALK', 'AF_NETBIOS', 'AF_INET6', 'AF_IRDA', 'AF_BTH'],
}

export const networkSocketType: Vocabulary = {
  name: 'network-socket-type-enum',
  section: '10.17',
  terms: ['SOCK_STREAM', 'SOCK_DGRAM', 'SOCK_RAW', 'SOCK_RDM', 'SOCK_SEQPACKET'],
}

export const opinion: Vocabulary = {
  name: 'opinion-enum',
  section: '10.18',
  terms: ['strongly-disagree', 'disagree', 'neutral', 'agree', 'strongly-agree'],
}

export const patternType: Vocabulary = {
  name: 'pattern-type-ov',
  section: '10.19',
  terms: ['stix', 'pcre', 'sigma', 'snort', 'suricata', 'yara'],
}

export const processorArchitecture: Vocabulary = {
  name: 'processor-architecture-ov',
  section: '10.20',
  terms: ['alpha', 'arm', 'ia-64', 'mips', 'powerpc', 'sparc', 'x86', 'x86-64'],
}

export const region: Vocabulary = {
  name: 'region-ov',
  section: '10.21',
  terms: [
    'africa',
    'eastern-africa',
    'middle-africa',
    'northern-africa',
    'southern-africa',
    'western-africa',
    'americas',
    'caribbean',
    'central-america',
    'latin-america-caribbean',
    'northern-america',
    'south-america',
    'asia',
    'central-asia',
    'eastern-asia',
    'southern-asia',
    'south-eastern-asia',
    'western-asia',
    'europe',
    'eastern-europe',
    'northern-europe',
    'southern-europe',
    'western-europe',
    'oceania',
    'antarctica',
    'australia-new-zealand',
    'melanesia',
    'micronesia',
    'polynesia',
  ],
}

export const reportType: Vocabulary = {
  name: 'report-type-ov',
  section: '10.22',
  terms: [
    'attack-pattern',
    'campaign',
    'identity',
    'incident',
    'indicator',
    'intrusion-set',
    'malware',
    'observed-data',
    'threat-actor',
    'threat-report',
    'tool',
    'vulnerability',
  ],
}

export const threatActorType: Vocabulary = {
  name: 'threat-actor-type-ov',
  section: '10.23',
  terms: [
    'activist',
    'competitor',
    'crime-syndicate',
    'criminal',
    'hacker',
    'insider-accidental',
    'insider-disgruntled',
    'nation-state',
    'private-sector',
    'sensationalist',
    'spy',
    'terrorist',
    'unknown',
  ],
}

export const threatActorRole: Vocabulary = {
  name: 'threat-actor-role-ov',
  section: '10.24',
  terms: [
    'agent',
    'director',
    'independent',
    'infrastructure-architect',
    'infrastructure-operator',
    'malware-author',
    'sponsor',
  ],
}

export const threatActorSophistication: Vocabulary = {
  name: 'threat-actor-sophistication-ov',
  section: '10.25',
  terms: ['none', 'minimal', 'intermediate', 'advanced', 'expert', 'innovator', 'strategic'],
}

export const toolType: Vocabulary = {
  name: 'tool-type-ov',
  section: '10.26',
  terms: [
    'denial-of-service',
    'exploitation',
    'information-gathering',
    'network-capture',
    'credential-exploitation',
    'remote-access',
    'vulnerability-scanning',
    'unknown',
  ],
}

export const windowsIntegrityLevel: Vocabulary = {
  name: 'windows-integrity-level-enum',
  section: '10.27',
  terms: ['low', 'medium', 'high', 'system'],
}

export const windowsPebinaryType: Vocabulary = {
  name: 'windows-pebinary-type-ov',
  section: '10.28',
  terms: ['dll', 'exe', 'sys'],
}

export const windowsRegistryDatatype: Vocabulary = {
  name: 'windows-registry-datatype-enum',
  section: '10.29',
  terms: [
    'REG_NONE',
    'REG_SZ',
    'REG_EXPAND_SZ',
    'REG_BINARY',
    'REG_DWORD',
    'REG_DWORD_BIG_ENDIAN',
    'REG_DWORD_LITTLE_ENDIAN',
    'REG_LINK',
    'REG_MULTI_SZ',
    'REG_RESOURCE_LIST',
    'REG_FULL_RESOURCE_DESCRIPTION',
    'REG_RESOURCE_REQUIREMENTS_LIST',
    'REG_QWORD',
    'REG_INVALID_TYPE',
  ],
}

export const windowsServiceStartType: Vocabulary = {
  name: 'windows-service-start-type-enum',
  section: '10.30',
  terms: [
    'SERVICE_AUTO_START',
    'SERVICE_BOOT_START',
    'SERVICE_DEMAND_START',
    'SERVICE_DISABLED',
    'SERVICE_SYSTEM_ALERT',
  ],
}

export const windowsServiceType: Vocabulary = {
  name: 'windows-service-type-enum',
  section: '10.31',
  terms: [
    'SERVICE_KERNEL_DRIVER',
    'SERVICE_FILE_SYSTEM_DRIVER',
    'SERVICE_WIN32_OWN_PROCESS',
    'SERVICE_WIN32_SHARE_PROCESS',
  ],
}

export const windowsServiceStatus: Vocabulary = {
  name: 'windows-service-status-enum',
  section: '10.32',
  terms: [
    'SERVICE_CONTINUE_PENDING',
    'SERVICE_PAUSE_PENDING',
    'SERVICE_PAUSED',
    'SERVICE_RUNNING',
    'SERVICE_START_PENDING',
    'SERVICE_STOP_PENDING',
    'SERVICE_STOPPED',
  ],
}
