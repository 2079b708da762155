// docs/deploy.md and what is in deploy/: held against the program, and read by linters.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { before, describe, test, type TestContext } from 'node:test'
import { DCLinter } from 'dclint'
import { validate as validateContainerfile } from 'dockerfile-utils'
import { parse, parseAllDocuments } from 'yaml'
import { commands } from '../packages/entente/cli/commands.ts'
import { type Config, ConfigSchema, loadConfig } from '../packages/entente/cli/config.ts'
import { OPERATIONS } from '../packages/entente/taxii/operations.ts'
import { root } from '../tools/files.ts'

const read = (file: string) => readFileSync(join(root, file), 'utf8')
/** Variables that are no keys of the configuration. */
const VARIABLES = new Set(['ENTENTE_DATA', 'ENTENTE_ADMIN_PASSWORD', 'ENTENTE_AUTH_CLIENT_SECRET'])

/** What the program makes of a configuration. */
function configOf(t: TestContext, text: string, env: NodeJS.ProcessEnv = {}): Config {
  const folder = mkdtempSync(join(tmpdir(), 'entente-deploy-'))
  t.after(() => rmSync(folder, { recursive: true }))
  writeFileSync(join(folder, 'entente.yaml'), text)
  return loadConfig({ file: join(folder, 'entente.yaml'), data: folder, env }).config
}

/** Fails where the words are not a command of the program with options that it has. */
function checkCommand(words: string[], where: string): void {
  const [name, ...rest] = words
  const command = commands.find(c => c.name === name)
  assert.ok(command, `${where}: there is no command "${name}"`)
  const [action] = rest
  if (command.subcommands && action && !action.startsWith('-'))
    assert.ok(command.subcommands.includes(action), `${where}: "${name} ${action}"`)
  for (const word of rest)
    if (word.startsWith('--')) assert.ok(word.slice(2) in command.options, `${where}: ${name} has no option ${word}`)
}

function checkVariable(name: string): void {
  const known = Object.entries(ConfigSchema.properties).flatMap(([section, schema]) =>
    Object.keys((schema as { properties?: object }).properties ?? {}).map(key =>
      `ENTENTE_${section}_${key.replaceAll(/[A-Z]/g, c => `_${c}`)}`.toUpperCase(),
    ),
  )
  assert.ok(VARIABLES.has(name) || known.includes(name), `nothing reads ${name}`)
}

const isRoute = (path: string) => path.slice(1) in OPERATIONS

test('every command in docs/deploy.md is there, and every file', () => {
  const text = read('docs/deploy.md')
  const spans = [...text.matchAll(/`([^`\n]+)`/g)].map(m => m[1] as string)
  const blocks = [...text.matchAll(/```sh\n([^`]*)```/g)].flatMap(m => (m[1] as string).trim().split('\n'))
  const given = [...spans, ...blocks].filter(line => line.startsWith('entente '))
  assert.ok(given.length >= 4)
  for (const line of given) checkCommand(line.split(' ').slice(1), line)
  for (const [, file = ''] of text.matchAll(/`(deploy\/[^`\s]*)`/g))
    if (!file.endsWith('secret.yaml')) assert.ok(existsSync(join(root, file)), file)
  for (const key of text.matchAll(/`((?:server|channels|log|store|cluster)\.[A-Za-z]+)`/g)) {
    const [section = '', name = ''] = (key[1] ?? '').split('.')
    if (name === 'key' || name === 'yaml') continue
    const schema = ConfigSchema.properties[section as keyof typeof ConfigSchema.properties] as { properties?: object }
    assert.ok(name in (schema.properties ?? {}), `${section}.${name}`)
  }
})

test('what is kept, and for how long, is what the configuration has unless set', t => {
  const config = configOf(t, '{}') as unknown as Record<string, Record<string, number>>
  const rows = [
    ...read('docs/deploy.md').matchAll(/^\| [^|]+ \| `(\w+)\.(\w+(Hours|Days))`[^|]* \| (\d+) (h|days) \|$/gm),
  ]
  assert.deepEqual(rows.map(([, , key]) => key).toSorted(), [
    'keepHours',
    'keepHours',
    'readDays',
    'sentDays',
    'statusHours',
  ])
  for (const [, section = '', key = '', unit, number, said] of rows) {
    const hours = (config[section]?.[key] ?? 0) * (unit === 'Days' ? 24 : 1)
    assert.equal(hours, Number(number) * (said === 'days' ? 24 : 1), `${section}.${key}`)
  }
})

describe('systemd', () => {
  const unit = read('deploy/entente.service')
  const values = (key: string) => [...unit.matchAll(new RegExp(`^${key}=(.*)$`, 'gm'))].map(m => m[1] as string)

  test('what it starts exists, with files that its configuration and folders name', t => {
    const [command = '', ...words] = values('ExecStart')[0]?.split(' ') ?? []
    assert.equal(command, '/usr/local/bin/entente')
    checkCommand(words, 'ExecStart')
    assert.equal(words[words.indexOf('--data') + 1], `%S/${values('StateDirectory')[0]}`)
    const config = configOf(t, read('deploy/systemd.yaml'))
    const credentials = values('LoadCredential').map(c => c.split(':')[0])
    const [, name] = /^\/run\/credentials\/entente\.service\/(.*)$/.exec(config.server.tls?.key ?? '') ?? []
    assert.ok(credentials.includes(name), `${name} is loaded`)
    assert.equal(config.log.origin, 'taxii.example/log')
  })

  test('systemd reads it without a complaint, and finds little to take hold of', t => {
    const found = spawnSync('systemd-analyze', ['--version'], { encoding: 'utf8' })
    if (found.status !== 0) return t.skip('systemd-analyze is not on this machine')
    const folder = mkdtempSync(join(tmpdir(), 'entente-deploy-'))
    t.after(() => rmSync(folder, { recursive: true }))
    const file = join(folder, 'entente.service')
    writeFileSync(file, unit.replace('/usr/local/bin/entente', process.execPath))
    const verified = spawnSync('systemd-analyze', ['verify', '--man=no', file], { encoding: 'utf8' })
    assert.equal(verified.status, 0, verified.stderr)
    assert.equal(
      verified.stderr
        .split('\n')
        .filter(line => line.includes(file))
        .join(),
      '',
    )
    const score = spawnSync('systemd-analyze', ['security', '--offline=true', '--threshold=20', file], {
      encoding: 'utf8',
    })
    assert.equal(score.status, 0, score.stdout.split('\n').slice(-3).join(' '))
  })
})

test('the container is built of what is there, and runs without privileges', () => {
  const text = read('deploy/Containerfile')
  assert.deepEqual(validateContainerfile(text), [])
  const lines = text.replaceAll('\\\n', ' ').split('\n')
  const last = (keyword: string) =>
    lines.findLast(line => line.startsWith(`${keyword} `))?.slice(keyword.length + 1) ?? ''
  const { engines } = JSON.parse(read('packages/entente/package.json'))
  for (const line of lines.filter(l => l.startsWith('FROM ')))
    assert.equal(/^FROM node:(\d+)-/.exec(line)?.[1], engines.node.replace('>=', ''), line)
  assert.match(last('USER'), /^[1-9]\d*:[1-9]\d*$/)
  const [node, entry = ''] = JSON.parse(last('ENTRYPOINT'))
  assert.equal(node, 'node')
  assert.ok(existsSync(join(root, entry.replace(/^\/app\//, ''))), entry)
  checkCommand(JSON.parse(last('CMD')), 'CMD')
  const [, port = '', path = ''] = /127\.0\.0\.1:(\d+)(\/[a-z]+)/.exec(last('HEALTHCHECK')) ?? []
  assert.deepEqual([port, isRoute(path)], [last('EXPOSE'), true])
  for (const name of ['.git', '**/node_modules', 'data'])
    assert.ok(read('deploy/Containerfile.dockerignore').includes(`${name}\n`))
})

test('compose starts what it should, by the linter of compose files and by its configuration', t => {
  const text = read('deploy/compose.yaml')
  const style = [
    'service-keys-order',
    'services-alphabetical-order',
    'require-quotes-in-ports',
    'top-level-properties-order',
  ]
  const linter = new DCLinter({
    rules: Object.fromEntries(style.map(rule => [rule, 0])),
    quiet: false,
    debug: false,
    exclude: [],
  })
  const [result] = linter.lintFiles([join(root, 'deploy/compose.yaml')], false)
  assert.deepEqual(
    result?.messages.map((m: { line: number; message: string }) => `${m.line}: ${m.message}`),
    [],
  )
  const { services, configs } = parse(text)
  const { entente, ...others } = services
  assert.deepEqual([entente.read_only, entente.cap_drop], [true, ['ALL']])
  assert.ok(existsSync(join(root, 'deploy', entente.build.context, entente.build.dockerfile)))
  for (const service of Object.values(services) as { ports?: string[] }[])
    for (const port of service.ports ?? []) assert.match(port, /^127\.0\.0\.1:/, 'for this machine only')
  const config = configOf(t, read(`deploy/${configs.entente.file}`))
  assert.equal(`127.0.0.1:${config.server.port}:${config.server.port}`, entente.ports[0])
  assert.ok(new URL(config.store.url ?? '').hostname in others)
  const commented = read(`deploy/${configs.entente.file}`).replaceAll(/^# ((channels|auth): )/gm, '$1')
  const tried = configOf(t, commented)
  assert.deepEqual([tried.channels.kind, tried.auth.kind], ['rabbitmq', 'oidc'])
  for (const url of [tried.channels.url, tried.auth.url]) assert.ok(new URL(url ?? '').hostname in others, url)
})

describe('Kubernetes', () => {
  type Manifest = Record<string, any>
  let all: Manifest[]
  const one = (kind: string, name = 'entente') =>
    all.find(d => d['kind'] === kind && d['metadata']?.name === name) as Manifest
  before(() => {
    const files = globSync('deploy/kubernetes/*.yaml', { cwd: root }).sort()
    all = files.flatMap(file => parseAllDocuments(read(file)).map(d => d.toJS() as Manifest))
  })

  test('every manifest is what the API takes, and has no key that it does not know', async () => {
    const resources = all.filter(d => d['kind'] !== 'Kustomization')
    assert.equal(resources.length, 7)
    for (const manifest of resources) {
      const { apiVersion, kind } = manifest as { apiVersion: string; kind: string }
      const module = await import(`kubernetes-models/${apiVersion}/${kind}`)
      const seen = new Set<string>()
      const Kind = module[kind] as new (of: unknown) => { validate(): void }
      new Kind(manifest).validate()
      // The validators look at the keys that they know.
      const { validate } = await import(`kubernetes-models/_schemas/${schemaOf(apiVersion, kind)}`)
      assert.ok(validate(watched(manifest, seen)), kind)
      const unknown = pathsOf(manifest).filter(path => !seen.has(path))
      assert.deepEqual(unknown, [], `${kind} ${manifest['metadata'].name}`)
    }
  })

  test('a key that is misspelt is found', async () => {
    const { validate } = await import('kubernetes-models/_schemas/IoK8sApiPolicyV1PodDisruptionBudget')
    const seen = new Set<string>()
    const wrong = { ...one('PodDisruptionBudget'), spec: { maxUnavailabel: 1 } }
    assert.ok(validate(watched(wrong, seen)))
    assert.deepEqual(
      pathsOf(wrong).filter(path => !seen.has(path)),
      ['/spec/maxUnavailabel'],
    )
  })

  test('the kustomization has them all but for the secret, which you bring', () => {
    const { resources } = all.find(d => d['kind'] === 'Kustomization') as { resources: string[] }
    const files = globSync('*.yaml', { cwd: join(root, 'deploy/kubernetes') })
    const expected = files.filter(f => f !== 'kustomization.yaml' && f !== 'secret.example.yaml')
    assert.deepEqual(resources.toSorted(), [...new Set([...expected, 'secret.yaml'])].toSorted())
  })

  test('ports, paths, files and variables are those of the configuration and the program', t => {
    const { template, serviceName } = one('StatefulSet')['spec']
    const [container] = template.spec.containers
    const env = Object.fromEntries(container.env.map((e: Manifest) => [e['name'], e['value'] ?? 'secret']))
    for (const name of Object.keys(env).filter(n => n.startsWith('ENTENTE_'))) checkVariable(name)
    const config = configOf(t, one('ConfigMap')['data']['entente.yaml'], {
      ENTENTE_CLUSTER_ADDRESS: env['ENTENTE_CLUSTER_ADDRESS'].replace('$(POD_IP)', '10.1.2.3'),
    })
    assert.equal(config.cluster?.address, '10.1.2.3:6200')
    const ports = new Map(container.ports.map((p: Manifest) => [p['name'], p['containerPort']]))
    const clusterPort = Number(config.cluster?.listen.split(':')[1])
    assert.deepEqual(
      [ports.get('http'), ports.get('metrics'), ports.get('cluster')],
      [config.server.port, config.server.metrics?.port, clusterPort],
    )
    for (const probe of ['startupProbe', 'livenessProbe', 'readinessProbe']) {
      const { path, port } = container[probe].httpGet
      assert.ok(isRoute(path) && ports.has(port), probe)
    }
    for (const name of ['entente', serviceName])
      for (const { targetPort } of one('Service', name)['spec'].ports) assert.ok(ports.has(targetPort), targetPort)
    for (const rule of one('NetworkPolicy')['spec'].ingress)
      for (const { port } of rule.ports) assert.ok(ports.has(port), port)
    const labels = template.metadata.labels
    for (const [kind, select] of [
      ['StatefulSet', (s: Manifest) => s['selector'].matchLabels],
      ['PodDisruptionBudget', (s: Manifest) => s['selector'].matchLabels],
      ['NetworkPolicy', (s: Manifest) => s['podSelector'].matchLabels],
      ['Service', (s: Manifest) => s['selector']],
    ] as const)
      assert.deepEqual(select(one(kind)['spec']), labels, kind)
    const secrets = Object.keys(one('Secret')['stringData'])
    const mount = container.volumeMounts.find((m: Manifest) => m['name'] === 'secrets').mountPath
    const named = JSON.stringify(config).matchAll(new RegExp(`${mount}/([a-z.-]+)`, 'g'))
    assert.deepEqual([...named].map(m => m[1]).toSorted(), secrets.toSorted())
    const mounted = container.volumeMounts.map((m: Manifest) => m['mountPath'])
    for (const path of ['/etc/entente', '/data', '/tmp']) assert.ok(mounted.includes(path), path)
  })

  test('pods run without privileges', () => {
    const { spec } = one('StatefulSet')['spec'].template
    const [container] = spec.containers
    assert.equal(spec.automountServiceAccountToken, false)
    assert.deepEqual(
      [spec.securityContext.runAsNonRoot, spec.securityContext.seccompProfile.type],
      [true, 'RuntimeDefault'],
    )
    const { allowPrivilegeEscalation, readOnlyRootFilesystem, capabilities } = container.securityContext
    assert.deepEqual([allowPrivilegeEscalation, readOnlyRootFilesystem, capabilities.drop], [false, true, ['ALL']])
    assert.ok(container.resources.limits.memory)
  })
})

/** `apps/v1`, `Deployment` is IoK8sApiAppsV1Deployment in the schemas. */
function schemaOf(apiVersion: string, kind: string): string {
  const [group = '', version = ''] = apiVersion.includes('/') ? apiVersion.split('/') : ['core', apiVersion]
  const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1)
  return `IoK8sApi${capital(group.split('.')[0] ?? '')}${capital(version)}${kind}`
}

/** A value that notes which of its keys are looked at, by their paths. */
function watched(value: any, seen: Set<string>, path = ''): any {
  if (typeof value !== 'object' || value === null) return value
  return new Proxy(value, {
    get: (target, key) => {
      if (typeof key !== 'string' || !Object.hasOwn(target, key)) return Reflect.get(target, key)
      seen.add(`${path}/${key}`)
      return watched(target[key], seen, `${path}/${key}`)
    },
  })
}

const pathsOf = (value: any, path = ''): string[] =>
  typeof value !== 'object' || value === null
    ? []
    : Object.keys(value).flatMap(key => [`${path}/${key}`, ...pathsOf(value[key], `${path}/${key}`)])
