import { type Command, lazily } from './command.ts'
import { federationCommands } from './federation/commands.ts'
import { MEMORY_HELP, MEMORY_OPTIONS } from './memory-options.ts'
import { TRUST_HELP, TRUST_OPTIONS } from './trust-options.ts'

export { type Args, type Command, globalOptions } from './command.ts'

const DATA: Command['options'] = { config: { type: 'string' }, data: { type: 'string' } }
const DATA_HELP = {
  '--data DIR': 'data folder (default: ./data, or ENTENTE_DATA)',
  '--config FILE': 'configuration (YAML)',
}
const LOGIN: Command['options'] = { user: { type: 'string' }, password: { type: 'string' }, token: { type: 'string' } }
const LOGIN_HELP = {
  '--user NAME': 'user (default: admin of a server on this machine, or ENTENTE_USER)',
  '--password P|-': 'password; "-" reads a line from standard input (or ENTENTE_PASSWORD)',
  '--token TOKEN': 'API token instead (or ENTENTE_TOKEN)',
  '--data DIR':
    'only for a server on this machine (127.0.0.1, localhost), where no login is given: DIR/admin-password is used (default: ./data, or ENTENTE_DATA)',
}
const TEXT = { type: 'string' } as const
const TEXTS = { type: 'string', multiple: true } as const
const FLAG = { type: 'boolean' } as const

export const commands: readonly Command[] = [
  lazily(
    {
      name: 'serve',
      summary: 'Run the server',
      usage: 'serve [--data DIR] [--config FILE] [--host H] [--port P] [--accept-clock]',
      options: {
        ...DATA,
        host: { type: 'string' },
        port: { type: 'string' },
        quiet: { type: 'boolean' },
        'accept-clock': { type: 'boolean' },
      },
      help: {
        ...DATA_HELP,
        '--host H': 'address to listen on (default 127.0.0.1)',
        '--port P': 'port (default 6100)',
        '--accept-clock': 'the clock is right, although it is far from the newest record or ledger block',
        '--quiet': 'log warnings and errors only',
      },
      examples: [
        'entente serve',
        'ENTENTE_ADMIN_PASSWORD=… entente serve --data /var/lib/entente --config /etc/entente.yaml',
      ],
    },
    () => import('./commands/serve.ts'),
  ),
  lazily(
    {
      name: 'publish',
      summary: 'Add STIX objects to a collection, and say what became of each',
      usage: 'publish FILE… --to COLLECTION_URL [--wait]',
      options: {
        ...LOGIN,
        data: TEXT,
        to: TEXT,
        wait: FLAG,
        timeout: TEXT,
        batch: TEXT,
        receipts: TEXT,
        key: TEXTS,
        ...MEMORY_OPTIONS,
      },
      help: {
        FILE: 'a STIX bundle, a TAXII envelope, a list of objects, or JSON lines; "-" is standard input',
        '--to URL': 'the collection: …/collections/ID/ (or its alias)',
        '--wait': 'until every object is complete: anchored and final on the ledgers that the collection asks for',
        '--timeout S': 'seconds to wait at most (default 120)',
        '--batch N': 'objects in a request at most (default 500)',
        '--receipts FILE': 'keep the signed receipts: they prove it if the server drops what it took',
        '--key VKEY|FILE': "the log's verifier key, which you believe (default: the remembered one)",
        ...MEMORY_HELP,
        ...LOGIN_HELP,
      },
      examples: [
        'entente publish bundle.json --to http://127.0.0.1:6100/api/collections/default/ --wait',
        'entente get URL1 --format lines | entente publish - --to URL2',
      ],
    },
    () => import('./commands/publish.ts'),
  ),
  lazily(
    {
      name: 'get',
      summary: 'Read objects of a collection, the proof of one, or all with the proof that nothing is missing',
      usage: 'get URL [--type T] [--id ID] [--out FILE]',
      options: {
        ...LOGIN,
        ...TRUST_OPTIONS,
        ...MEMORY_OPTIONS,
        data: TEXT,
        config: TEXT,
        'from-ledger': TEXT,
        type: TEXTS,
        id: TEXTS,
        version: TEXTS,
        'spec-version': TEXTS,
        'added-after': TEXT,
        limit: TEXT,
        format: TEXT,
        out: TEXT,
        proof: FLAG,
        cose: FLAG,
        records: FLAG,
        'no-verify': FLAG,
      },
      help: {
        URL: 'a collection, or one object of it: …/collections/ID/objects/ID/',
        '--type T': 'only objects of this type; may be repeated, or several with commas',
        '--id ID': 'only this object; may be repeated',
        '--version V': 'last (the default), first, all, or exact versions',
        '--spec-version V': 'only objects of this STIX version: 2.0, 2.1',
        '--added-after TIME': 'only what was added after, such as 2026-01-31T12:00:00Z',
        '--limit N': 'at most N objects',
        '--format F': 'bundle (the default), envelope, or lines (an object on each)',
        '--out FILE': 'write to a file instead of standard output',
        '--proof': 'instead: the proof of one object, for "entente verify"',
        '--cose': 'instead: a COSE receipt of one object (draft-ietf-cose-merkle-tree-proofs)',
        '--records': 'instead: every record with the proof that none is missing, checked',
        '--no-verify': 'with --records or --proof: do not check',
        '--config FILE': 'configuration (YAML), with --from-ledger',
        '--from-ledger ID':
          'from a ledger that keeps the records (record: full), with the keys of --data DIR: no server is asked, no store is needed',
        ...TRUST_HELP,
        ...MEMORY_HELP,
        ...LOGIN_HELP,
      },
      examples: [
        'entente get http://127.0.0.1:6100/api/collections/default/ --type indicator --out indicators.json',
        'entente get URL --id indicator--… --proof --out object.proof.json',
        'entente get URL --records --out read.json --key log.vkey',
        'entente get /api/collections/default/ --from-ledger quorum --data ./data --config entente.yaml',
      ],
    },
    () => import('./commands/get.ts'),
  ),
  lazily(
    {
      name: 'subscribe',
      summary: 'Read the events of a channel or a collection as they come, and run a program for each',
      usage: 'subscribe CHANNEL|COLLECTION [URL] [--from PLACE] [--verify] [--exec CMD]',
      options: {
        ...LOGIN,
        ...MEMORY_OPTIONS,
        data: TEXT,
        from: TEXT,
        verify: FLAG,
        key: TEXTS,
        successions: TEXT,
        witness: TEXTS,
        quorum: TEXT,
        'witness-policy': TEXT,
        exec: TEXT,
        shell: FLAG,
        'keep-going': FLAG,
        count: TEXT,
        for: TEXT,
        state: TEXT,
        'catch-up': FLAG,
        fetch: FLAG,
        broker: TEXT,
        durable: TEXT,
        prefix: TEXT,
        'broker-ca': TEXT,
      },
      help: {
        'CHANNEL|COLLECTION': "the name of a channel; a collection's id, alias or title; or the URL of either",
        URL: 'of the server or API root (default: http://127.0.0.1:6100/); with --broker only for --verify and --fetch',
        OUTPUT: 'a line for each event, where no --exec takes it; with --json the event as it came, on one line',
        '--from PLACE':
          'now (the default), start (the oldest that is kept), the id of an event to go on behind, or, of a collection, a time',
        '--verify': "give nothing that the server's log does not have: refused is what was changed, wherever (exit 4)",
        ...Object.fromEntries(Object.entries(TRUST_HELP).filter(([name]) => !name.startsWith('--ledger-pin'))),
        '--exec CMD':
          'run this program with its arguments for each event, one at a time: the event on its standard input, ENTENTE_EVENT, ENTENTE_ID, ENTENTE_OBJECT and others in its environment; where it fails, stop (exit 1)',
        '--shell': 'CMD is a line for the shell',
        '--keep-going': 'go on where CMD fails (exit 1 in the end)',
        '--count N': 'end after N events',
        '--for TIME': 'end after this time, such as 30s, 5m or 2h',
        '--state FILE': 'remember the last event that was dealt with, and go on behind it the next time',
        '--catch-up': 'fetch what the server no longer keeps as events from its collections',
        '--fetch': 'fetch the objects of references, where you may read them',
        '--broker URL|FILE':
          'from a broker: amqp[s]://HOST[:PORT][/VHOST] or kafka://HOST:PORT[,HOST:PORT], with USER:PASSWORD@ where it asks for them, or a file with such a URL',
        '--durable NAME': 'the broker keeps under this name what was not dealt with yet',
        '--prefix P': 'what exchanges or topics begin with (default: what the server says, else nothing)',
        '--broker-ca FILE': 'PEM file of who signs the certificates of the broker',
        ...MEMORY_HELP,
        ...LOGIN_HELP,
      },
      examples: [
        'entente subscribe EVENTS',
        'entente subscribe https://taxii.example/api/channels/ATTACKS/ --verify --key log.vkey --state attacks.state --exec "python3 block.py"',
        'entente subscribe default https://taxii.example/ --from 2026-11-22T00:00:00Z --for 5m --json',
        'entente subscribe EVENTS https://taxii.example/ --broker amqp://soc@mq.example --durable soc --verify',
      ],
    },
    () => import('./commands/subscribe.ts'),
  ),
  lazily(
    {
      name: 'erase',
      summary: 'Delete an object of a collection, and prove that nothing of it is left',
      usage: 'erase COLLECTION_URL ID [--version V|all] [--prove --data DIR]',
      options: {
        ...LOGIN,
        ...TRUST_OPTIONS,
        ...MEMORY_OPTIONS,
        config: TEXT,
        data: TEXT,
        version: TEXTS,
        prove: FLAG,
        needle: TEXTS,
      },
      help: {
        '--version V': 'last (the default), first, all, or exact versions',
        '--prove':
          "search the server's data folder byte by byte for what was erased, and check the log's record of the deletion",
        '--needle TEXT': 'with --prove: look for this as well; may be repeated',
        ...TRUST_HELP,
        ...MEMORY_HELP,
        ...LOGIN_HELP,
        '--key VKEY|FILE': "the log's verifier key, which you believe (default: of DIR/log.key)",
        '--data DIR':
          'data folder of the server, which must be on this machine for --prove (default: ./data, or ENTENTE_DATA)',
        '--config FILE': 'configuration (YAML)',
      },
      examples: [
        'entente erase http://127.0.0.1:6100/api/collections/default/ indicator--… --version all --prove --data data',
      ],
    },
    () => import('./commands/erase.ts'),
  ),
  lazily(
    {
      name: 'verify',
      summary: 'Check proofs, saved reads, receipts and evidence offline, against a key that you believe',
      usage: 'verify FILE… --key VKEY|FILE [--ledger URL] [--url SERVER]',
      options: { ...TRUST_OPTIONS, ...MEMORY_OPTIONS, url: TEXT, ledger: TEXTS, 'ledger-depth': TEXT },
      help: {
        FILE: 'what "get --proof", "get --records" or "publish --receipts" wrote, evidence of a disagreement, or a COSE receipt behind the proof of its object',
        ...TRUST_HELP,
        '--ledger [KIND:]URL':
          'read the anchor from a node of the ledger itself, by its transaction; KIND is evm where it is left out; fabric:FILE takes peers and identity from a configuration; may be repeated',
        '--ledger-depth N': 'blocks on top from which an anchor is final (default: what the chain itself says)',
        '--url SERVER': 'ask this server, too, for the proof that its log continues the one of the files',
        ...MEMORY_HELP,
      },
      examples: [
        'entente verify object.proof.json --key log.vkey',
        'entente verify read.json --key log.vkey --ledger-pin ledger.json --json',
        'entente verify object.proof.json --key log.vkey --ledger http://127.0.0.1:8545 --ledger-depth 6',
        'entente verify object.proof.json --key log.vkey --url https://taxii.example/',
      ],
    },
    () => import('./commands/verify.ts'),
  ),
  lazily(
    {
      name: 'audit',
      summary: 'Check everything in a data folder against its log, its key and the ledgers; or receipts against a log',
      usage: 'audit [--data DIR [--config FILE] | --url SERVER] [--receipts FILE]',
      options: {
        ...DATA,
        key: TEXTS,
        url: TEXT,
        receipts: TEXTS,
        ledger: TEXTS,
        'ledger-pin': TEXTS,
        ...MEMORY_OPTIONS,
      },
      help: {
        ...DATA_HELP,
        '--key VKEY|FILE': "the log's verifier key, which you believe (default: of DIR/log.key, or the remembered one)",
        '--receipts FILE': 'check that the log holds what "publish --receipts" kept; may be repeated',
        '--url SERVER': 'instead of a data folder: the log of this server, against what is remembered and the receipts',
        '--ledger [KIND:]URL':
          'with --url: ask a node of this ledger what it has of the log, and hold it against what the server shows; fabric:FILE takes peers and identity from a configuration; may be repeated',
        '--ledger-pin FILE': 'which log it is there, as SERVER/log/ledgers says it (default: what the server says now)',
        ...MEMORY_HELP,
      },
      examples: [
        'entente audit --data /var/lib/entente --json',
        'entente audit --url https://taxii.example/ --receipts receipts.json --key log.vkey',
        'entente audit --url https://taxii.example/ --ledger http://10.0.0.1:8545 --ledger https://rpc.example --ledger-pin pins.json',
      ],
    },
    () => import('./commands/audit.ts'),
  ),
  lazily(
    {
      name: 'backup',
      summary: 'Copy a data folder, beside its running server too, or check such a copy',
      usage: 'backup [--data DIR] [--config FILE] --to FOLDER [--check]',
      options: { ...DATA, to: TEXT, check: FLAG },
      help: {
        ...DATA_HELP,
        '--to FOLDER': 'the backup, a folder that is new or empty',
        '--check': 'make none: audit the one that is in FOLDER',
      },
      examples: [
        'entente backup --data /var/lib/entente --config /etc/entente.yaml --to /backup/2026-11-22',
        'entente backup --check --to /backup/2026-11-22',
      ],
    },
    () => import('./commands/backup.ts'),
  ),
  lazily(
    {
      name: 'restore',
      summary: 'Put a backup into an empty data folder (and database), once it has passed the audit',
      usage: 'restore --from FOLDER [--newer COPY]… [--new-log ORIGIN] [--data DIR] [--config FILE]',
      options: { ...DATA, ...LOGIN, from: TEXT, newer: TEXTS, 'new-log': TEXT },
      help: {
        '--from FOLDER': 'a backup that "entente backup" made',
        '--newer COPY':
          'what is left of the log after the backup: whatever "entente repair --from" takes, the damaged database too; may be repeated. What was logged since is added, and what was erased since is erased again',
        '--new-log ORIGIN':
          'where nothing is left of what came after the backup: end the log, on its ledgers too, and go on as another one of this name. It can’t be taken back',
        '--data DIR': 'data folder, new or empty (default: ./data, or ENTENTE_DATA)',
        '--config FILE': 'configuration (YAML; default: the one in the backup)',
        '--user NAME': 'user of a COPY that is the URL of a collection',
        '--password P|-': 'password; - reads it from standard input',
        '--token TOKEN': 'API token in place of user and password',
      },
      examples: [
        'entente restore --from /backup/2026-11-22 --data /var/lib/entente',
        'entente restore --from /backup/2026-11-22 --data /var/lib/entente --newer /var/lib/entente.damaged',
        'entente restore --from /backup/2026-11-22 --data /var/lib/entente --config new.yaml --new-log taxii.example/log/2',
      ],
    },
    () => import('./commands/restore.ts'),
  ),
  lazily(
    {
      name: 'repair',
      summary: 'Mend a damaged data folder by its log, and bring lost records back from copies',
      usage: 'repair [--data DIR] [--config FILE] [--from SOURCE]… [--dry-run]',
      options: { ...DATA, ...LOGIN, key: TEXTS, from: TEXTS, 'dry-run': FLAG, 'even-if-erased': FLAG },
      help: {
        ...DATA_HELP,
        '--from SOURCE':
          'a copy that records may come from: a backup, a data folder or its store.db, a saved read ("get --records --out FILE"), mongodb://HOST/DATABASE or a file with that URL, or the URL of a collection of another server that has the same log; may be repeated',
        '--dry-run': 'write nothing: say what would be mended',
        '--even-if-erased':
          'bring records back also where a later one is lost for good: that one may say that they were erased',
        '--key VKEY|FILE': "the log's verifier key (default: of DIR/log.key)",
        '--user NAME': 'user of a SOURCE that is a URL',
        '--password P|-': 'password; - reads it from standard input',
        '--token TOKEN': 'API token in place of user and password',
      },
      examples: [
        'entente repair --data /var/lib/entente --dry-run',
        'entente repair --data /var/lib/entente --from /backup/entente --from read.json',
      ],
    },
    () => import('./commands/repair.ts'),
  ),
  lazily(
    {
      name: 'import',
      summary: 'Take over what another TAXII server holds: API roots, collections, rights, objects with their dates',
      usage: 'import medallion FILE|URL [--data DIR] [--config FILE] [--dry-run]',
      subcommands: ['medallion'],
      options: { ...DATA, 'dry-run': FLAG, validation: TEXT },
      help: {
        'medallion FILE': 'the data file of a medallion server with its memory backend',
        'medallion URL':
          'mongodb://HOST:PORT/ of one with its MongoDB backend, which is only read; or a FILE that holds the URL',
        '--data DIR': 'data folder of a server that does not run, or a new one (default: ./data, or ENTENTE_DATA)',
        '--config FILE': 'configuration (YAML) to write, or to add to (default: DIR/entente.yaml)',
        '--dry-run': 'write nothing: say what would be imported, and what is refused and why (exit 1)',
        '--validation P': 'how objects are held against STIX: strict, standard or permissive (the default)',
      },
      examples: [
        'entente import medallion default_data.json --data /var/lib/entente --dry-run',
        'entente import medallion default_data.json --data /var/lib/entente --config /etc/entente.yaml',
        'entente import medallion mongodb://10.0.0.5:27017/ --data /var/lib/entente --dry-run',
      ],
    },
    () => import('./commands/import.ts'),
  ),
  lazily(
    {
      name: 'user',
      summary: 'Manage the local users of a server; a running one sees it within a second',
      usage: 'user add|list|remove|password|roles [NAME]',
      subcommands: ['add', 'list', 'remove', 'password', 'roles'],
      options: { ...DATA, roles: TEXTS, password: TEXT, generate: FLAG },
      help: {
        'add NAME': 'add a user',
        list: 'show all users',
        'remove NAME': 'remove a user and its tokens',
        'password NAME': 'change a password',
        'roles NAME': 'change what a user may do, with --roles',
        '--roles R,…': 'taxii-read, taxii-write (both are the default), admin, or roles that collections name',
        '--password P|-':
          'password; "-" reads a line from standard input (default: asked for on a terminal, else random)',
        '--generate': 'a random password without asking; it is shown once',
        ...DATA_HELP,
      },
      examples: [
        'entente user add soc --roles taxii-read',
        'echo "$PASSWORD" | entente user password soc --password -',
      ],
    },
    () => import('./commands/user.ts'),
  ),
  lazily(
    {
      name: 'token',
      summary: 'Manage the API tokens of local users',
      usage: 'token create USER | list | revoke ID',
      subcommands: ['create', 'list', 'revoke'],
      options: { ...DATA, roles: TEXTS, days: TEXT, note: TEXT },
      help: {
        'create USER': 'make a token, which is shown once',
        list: 'show all tokens (not their secrets)',
        'revoke ID': 'end a token now',
        '--roles R,…': 'fewer roles than the user has (default: all of them)',
        '--days N': 'ends after N days (default: never)',
        '--note TEXT': 'what it is for',
        ...DATA_HELP,
      },
      examples: ['entente token create soc --roles taxii-read --days 90 --note "OpenCTI"'],
    },
    () => import('./commands/token.ts'),
  ),
  lazily(
    {
      name: 'witness',
      summary:
        'Cosign the checkpoints of other logs as their witness, and see what witnesses have cosigned of this one',
      usage: 'witness serve | key | add-log VKEY|FILE | list | status',
      subcommands: ['serve', 'key', 'add-log', 'list', 'status'],
      options: { ...DATA, host: TEXT, port: TEXT, quiet: FLAG, origin: TEXT, 'new-state': FLAG },
      help: {
        serve:
          'run a witness and nothing else ("entente serve" runs one as well, where the configuration has "witness:")',
        key: "print this witness's verifier key; key and state are made where there are none yet",
        'add-log VKEY|FILE': 'witness the log that signs with this key; a running server takes it up at once',
        list: 'show the logs that are witnessed, and how far each is',
        status: "of this server's own log: what each of its witnesses has cosigned (exit 1: the quorum is behind)",
        '--origin NAME': 'with add-log: name of the log, where it is not that of its key',
        '--host H': 'with serve: address to listen on',
        '--port P': 'with serve: port',
        '--quiet': 'with serve: log warnings and errors only',
        '--new-state': 'with key: the key file is there, and has never cosigned anything: make an empty state for it',
        ...DATA_HELP,
      },
      examples: [
        'entente witness key --config /etc/entente.yaml',
        'entente witness add-log "taxii.example/log+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"',
        'entente witness serve --data /var/lib/witness --config /etc/witness.yaml',
      ],
    },
    () => import('./commands/witness.ts'),
  ),
  lazily(
    {
      name: 'validator',
      summary: 'Have the validators of a chain follow the registry of the consortium, and let only its writers write',
      usage: 'validator follow | guard [--config FILE] [--data DIR]',
      subcommands: ['follow', 'guard'],
      options: { ...DATA, once: FLAG, 'dry-run': FLAG, quiet: FLAG },
      help: {
        follow:
          "beside one's own node: compare the ConsortiumRegistry of the EU chain with the validators of this chain (Clique, QBFT, IBFT), and have the node vote for what differs",
        guard: "in front of a node: pass reads, and transactions of the chain's writers, and nothing else",
        ...DATA_HELP,
        '--once': 'with follow: one look, for cron (exit 0: the chain has the validators of the registry, 1: not yet)',
        '--dry-run': 'with follow: one look that shows what it would propose and withdraw, and changes nothing',
        '--quiet': 'log warnings and errors only',
      },
      examples: [
        'entente validator follow --config validator.yaml',
        'entente validator follow --config validator.yaml --dry-run --json',
        'entente validator guard --config validator.yaml',
      ],
    },
    () => import('./commands/validator.ts'),
  ),
  lazily(
    {
      name: 'migrate',
      summary: 'Copy the store of a stopped server into one of another kind, audited on both sides',
      usage: 'migrate --from sqlite|mongodb --to sqlite|mongodb [--data DIR] --config FILE',
      options: { ...DATA, from: TEXT, to: TEXT },
      help: {
        '--from KIND':
          'sqlite: the file store.db of the data folder; mongodb: the database that the configuration names',
        '--to KIND': 'the other; it must be empty, or hold what a migration that was cut off left',
        ...DATA_HELP,
      },
      examples: [
        'entente migrate --from sqlite --to mongodb --data /var/lib/entente --config /etc/entente.yaml',
        'entente migrate --from mongodb --to sqlite --data /var/lib/entente --config /etc/entente.yaml',
      ],
    },
    () => import('./commands/migrate.ts'),
  ),
  lazily(
    {
      name: 'collection',
      summary: 'Show the collections of a server, their rights and ledgers',
      usage: 'collection list | show ID|ALIAS',
      subcommands: ['list', 'show'],
      options: DATA,
      help: { list: 'show all collections', 'show ID|ALIAS': 'show one', ...DATA_HELP },
      examples: ['entente collection show default'],
    },
    () => import('./commands/collection.ts'),
  ),
  lazily(
    {
      name: 'channel',
      summary: 'Tell who was sent what over channels and feeds',
      usage: 'channel sent [--collection ID|ALIAS] [--seq N | --object ID] [--subscriber NAME] [--since TIME]',
      subcommands: ['sent'],
      options: { ...DATA, collection: TEXT, seq: TEXT, object: TEXT, subscriber: TEXT, since: TEXT, limit: TEXT },
      help: {
        sent: 'show what subscribers and brokers were given (exit 1: nothing), for as long as channels.sentDays keeps it',
        '--collection ID|ALIAS': 'of this collection; may be left out where there is one only',
        '--seq N': 'only the record at this place of the collection, its object erased or not',
        '--object ID': 'only versions of this object',
        '--subscriber NAME': 'only this user; of a broker, the exchange or topic',
        '--since TIME': 'only what was given at this time or later, such as 2026-01-31T12:00:00Z',
        '--limit N': 'at most N lines (default 1000)',
        ...DATA_HELP,
      },
      examples: [
        'entente channel sent --collection default --object indicator--… --data /var/lib/entente',
        'entente channel sent --subscriber soc --since 2026-11-01T00:00:00Z --json',
      ],
    },
    () => import('./commands/channel.ts'),
  ),
  lazily(
    {
      name: 'readers',
      summary: 'Tell who has read an object, or was sent it',
      usage: 'readers [--collection ID|ALIAS] [--seq N | --object ID] [--reader NAME] [--since TIME]',
      options: { ...DATA, collection: TEXT, seq: TEXT, object: TEXT, reader: TEXT, since: TEXT, limit: TEXT },
      help: {
        '--collection ID|ALIAS': 'of this collection; may be left out where there is one only',
        '--object ID': 'who has any version of this object (exit 1: nobody)',
        '--seq N': 'who has the record at this place of the collection, its object erased or not',
        '--reader NAME': 'only this user; of a broker, the exchange or topic',
        '--since TIME': 'only what was given at this time or later, such as 2026-01-31T12:00:00Z',
        '--limit N': 'at most N lines (default 1000)',
        ...DATA_HELP,
      },
      examples: [
        'entente readers --collection default --object indicator--… --data /var/lib/entente',
        'entente readers --reader soc --since 2026-11-01T00:00:00Z --json',
      ],
    },
    () => import('./commands/readers.ts'),
  ),
  lazily(
    {
      name: 'markings',
      summary: 'Tell which markings a login may see',
      usage: 'markings URL',
      options: { ...LOGIN, data: TEXT },
      help: { URL: 'of a server, of one of its API roots, or of a collection', ...LOGIN_HELP },
      examples: ['entente markings https://taxii.example/api/ --user soc --password -'],
    },
    () => import('./commands/markings.ts'),
  ),
  lazily(
    {
      name: 'doctor',
      summary:
        'Look at configuration, clocks, store, ledgers, brokers and provider; say what is wrong and how to mend it',
      usage: 'doctor [--config FILE] [--data DIR] [--timeout S]',
      options: { ...DATA, timeout: TEXT, quiet: FLAG },
      help: {
        ...DATA_HELP,
        '--timeout S': 'how long each of the checks may take, which run side by side (default: 15)',
        '--quiet': 'warnings and problems only',
      },
      examples: [
        'entente doctor --config /etc/entente.yaml --data /var/lib/entente',
        'entente doctor --json --timeout 30',
      ],
    },
    () => import('./commands/doctor.ts'),
  ),
  lazily(
    {
      name: 'log',
      summary: "Show the keys of a log; have a new one follow the log's key, and destroy the one before",
      usage: 'log keys|rotate-key|retire-key [--data DIR] [--config FILE]',
      subcommands: ['keys', 'rotate-key', 'retire-key'],
      options: { ...DATA, url: TEXT, retire: FLAG },
      help: {
        keys: 'all keys that the log has had, the oldest first, and since when each',
        'rotate-key':
          'while the server is stopped (of several with one database, the one whose DIR this is): make a new key, and state in the log that it follows; readers who believe the old one follow by that. The others can write nothing then, until they have log.key and log.key.old of DIR and are restarted',
        'retire-key': 'destroy the key before the last, which signs as well until then',
        ...DATA_HELP,
        '--url SERVER': 'with keys: of this server',
        '--retire': 'with rotate-key: destroy the old key at once, where it may be known to others',
      },
      examples: [
        'entente log rotate-key --data /var/lib/entente --config /etc/entente.yaml',
        'entente log keys --url https://taxii.example/ --json > keys.json',
      ],
    },
    () => import('./commands/log.ts'),
  ),
  lazily(
    {
      name: 'ledger',
      summary: 'Deploy to ledgers, look at them, compare them with the log; package the chaincode for Fabric',
      usage:
        'ledger deploy|status|verify [ID] [--config FILE] [--data DIR], or ledger package fabric --address HOST:PORT',
      subcommands: ['deploy', 'status', 'verify', 'package'],
      options: {
        ...DATA,
        ...TRUST_OPTIONS,
        ...MEMORY_OPTIONS,
        url: TEXT,
        address: TEXT,
        label: TEXT,
        'tls-ca': TEXT,
        out: TEXT,
      },
      help: {
        'deploy [ID]':
          'deploy the contract CheckpointAnchor on EVM ledgers where the account has none, and register the log; a server does the same when it starts',
        'status [ID]':
          'of each configured ledger: chain, contract, owner, latest size, finality, the balance of its account, its nodes and whether they agree, what is under way',
        'verify [ID]': 'whether what each ledger has as its latest is the beginning of the log',
        'package fabric':
          'write the file that administrators install on peers of Hyperledger Fabric, and say how to run the chaincode that it leads to',
        ID: 'only this ledger of the configuration',
        ...DATA_HELP,
        '--url SERVER': 'with verify: the log of this server, in place of the data folder',
        ...TRUST_HELP,
        ...MEMORY_HELP,
        '--address HOST:PORT': 'with package: where peers reach the chaincode',
        '--label TEXT': 'with package: its label (default: entente_1)',
        '--tls-ca FILE': 'with package: peers speak TLS, and this CA (PEM) has issued the certificate of the chaincode',
        '--out FILE': 'with package: where it is written (default: LABEL.tar.gz)',
      },
      examples: [
        'entente ledger deploy quorum --config entente.yaml --data ./data',
        'entente ledger status --config entente.yaml --json',
        'entente ledger verify --config entente.yaml --url https://taxii.example/ --key log.vkey',
        'entente ledger package fabric --address chaincode.org1.example:9999 --out entente.tar.gz',
      ],
    },
    () => import('./commands/ledger.ts'),
  ),
  ...federationCommands,
  lazily(
    {
      name: 'bench',
      summary: 'Measure what a server does on this machine',
      usage: 'bench [--objects N] [--data DIR]',
      options: { objects: TEXT, data: TEXT },
      help: {
        '--objects N': 'objects of the bulk publish (default 20000)',
        '--data DIR': 'folder on the disk to measure (default: the temporary folder)',
      },
      examples: ['entente bench', 'entente bench --data /var/lib --json'],
    },
    () => import('./commands/bench.ts'),
  ),
  lazily(
    {
      name: 'completion',
      summary: 'Print a completion script for a shell',
      usage: 'completion bash|zsh|fish',
      subcommands: ['bash', 'zsh', 'fish'],
      options: {},
      help: {},
      examples: ['source <(entente completion bash)', 'entente completion fish | source'],
    },
    () => import('./commands/completion.ts'),
  ),
]
