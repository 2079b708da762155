import { type Document, isMap, isSeq, parseDocument } from 'yaml'
import { CliError } from './errors.ts'
import type { MedallionData, MedallionRoot } from './medallion.ts'

/**
 * The text of a configuration with the API roots and collections of a medallion server, under their ids. A configuration that is there keeps everything
 * that it says, its comments included: only what it has not is added.
 *
 * @param before the text of the configuration that is there
 * @returns the text, and whether it differs from `before`
 * @throws CliError `usage`
 */
export function configure(data: MedallionData, before: string | undefined): { text: string; isChanged: boolean } {
  const document = parseDocument(before ?? '')
  if (document.errors.length > 0)
    throw new CliError('usage', `the configuration is no YAML: ${document.errors[0]?.message}`)
  let isChanged = false
  const set = (path: string[], value: unknown) => {
    document.setIn(path, document.createNode(value))
    isChanged = true
  }
  if (document.contents === null) document.contents = document.createNode({}) as Document['contents'] as never
  if (!isMap(document.contents)) throw new CliError('usage', 'the configuration is no mapping of keys')
  if (!document.has('discovery') && Object.keys(data.discovery).length > 0) set(['discovery'], data.discovery)
  const most = Math.max(...data.roots.map(r => r.maxContentLength ?? 0))
  if (most >= MIN_CONTENT_LENGTH && !document.hasIn(['server', 'maxContentLength']))
    set(['server', 'maxContentLength'], most)
  if (!document.has('apiRoots')) set(['apiRoots'], [])
  const roots = document.get('apiRoots')
  if (!isSeq(roots)) throw new CliError('usage', 'apiRoots of the configuration is no list')
  for (const root of data.roots) {
    const known = roots.items.find(item => isMap(item) && item.get('path') === root.path)
    if (!isMap(known)) {
      roots.add(document.createNode(toRoot(root)))
      isChanged = true
      continue
    }
    const collections = known.get('collections')
    const ids = isSeq(collections) ? collections.items.map(c => (isMap(c) ? c.get('id') : undefined)) : []
    for (const collection of toRoot(root).collections) {
      if (ids.includes(collection.id)) continue
      if (isSeq(collections)) collections.add(document.createNode(collection))
      else known.set('collections', document.createNode([collection]))
      isChanged = true
    }
  }
  return { text: document.toString({ lineWidth: 120 }), isChanged }
}

/** Least `server.maxContentLength` (cli/config.ts). */
const MIN_CONTENT_LENGTH = 1024

function toRoot(root: MedallionRoot) {
  return {
    path: root.path,
    title: root.title,
    ...(root.description === undefined ? {} : { description: root.description }),
    collections: root.collections.map(c => ({
      id: c.id,
      ...(c.alias === undefined ? {} : { alias: c.alias }),
      title: c.title,
      ...(c.description === undefined ? {} : { description: c.description }),
      // medallion asks for a login and no role: whoever may read (or write) at all may do so here.
      read: c.canRead ? ['taxii-read'] : [],
      write: c.canWrite ? ['taxii-write'] : [],
      // Only this policy takes STIX 2.0, and names it among the media types.
      ...(c.hasStix20 ? { validation: 'permissive' } : {}),
    })),
  }
}
