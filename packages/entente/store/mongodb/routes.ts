import type { RecordRow, Store } from '#store/store.ts'
import type { Connection, Snapshot } from './connection.ts'
import { OBJECT, toRecordRow } from './rows.ts'
import { MOST_VALUES, pieces, records } from './selection.ts'

type Access = Pick<Connection, 'db' | 'reads' | 'together'> & {
  reading: <T>(read: () => Promise<T>) => Promise<T>
  writing: <T>(write: () => Promise<T>) => Promise<T>
}

/** The cursor below which routes were forgotten. */
const FORGOTTEN = 'routes'

/** Where records go besides their collections, and how far those have come who bring them there. */
export function createRoutes({
  db,
  reads,
  together,
  reading,
  writing,
}: Access): Pick<
  Store,
  'routed' | 'countRouted' | 'routedTo' | 'forgetRoutes' | 'routesFrom' | 'continued' | 'cursor' | 'putCursor'
> {
  const routes = db.collection<{ channel: string; leaf: number }>('routes')
  const cursors = db.collection<{ _id: string; position: number }>('cursors')
  const cursor = async (name: string, options: Partial<Snapshot>) =>
    (await cursors.findOne({ _id: name }, options))?.position
  const putCursor = async (name: string, position: number) => {
    await cursors.updateOne({ _id: name }, { $set: { position } }, { upsert: true })
  }
  /** The cursor forgets at once; the documents go after it. */
  const known = async (from: number, options: Snapshot) => Math.max(from, (await cursor(FORGOTTEN, options)) ?? 0)

  return {
    routed: (channel, { from, limit, maxBytes = Number.POSITIVE_INFINITY }) =>
      reading(() =>
        together(async options => {
          const rows: RecordRow[] = []
          let bytes = 0
          let next = await known(from, options)
          while (rows.length < limit) {
            const most = Math.min(limit - rows.length, MOST_VALUES)
            const places = await routes
              .find(
                { channel, leaf: { $gte: next } },
                { ...options, sort: { leaf: 1 }, limit: most, projection: { leaf: 1 } },
              )
              .toArray()
            const leaves = places.map(p => p.leaf)
            for await (const document of records(db).find({ _id: { $in: leaves } }, { ...options, sort: { _id: 1 } })) {
              const row = toRecordRow(document)
              if (row.text === null) continue
              rows.push(row)
              bytes += row.text.length
              if (bytes > maxBytes) return rows
            }
            if (places.length < most) return rows
            next = (leaves.at(-1) as number) + 1
          }
          return rows
        }),
      ),
    countRouted: (channel, from, most) =>
      reading(() =>
        together(async options => {
          if (most < 1) return 0
          return routes.countDocuments(
            { channel, leaf: { $gte: await known(from, options) } },
            { ...options, limit: most },
          )
        }),
      ),
    routedTo: (leaf, channels) =>
      reading(() =>
        together(async options => {
          if (leaf < (await known(0, options))) return []
          const found = await routes.find({ channel: { $in: [...channels] }, leaf }, options).toArray()
          return channels.filter(channel => found.some(r => r.channel === channel))
        }),
      ),
    forgetRoutes: below =>
      writing(async () => {
        if (((await cursor(FORGOTTEN, {})) ?? 0) < below) await putCursor(FORGOTTEN, below)
        // A crash here leaves documents that no read shows; the next time they go.
        for (const channel of await routes.distinct('channel'))
          await routes.deleteMany({ channel, leaf: { $lt: below } })
      }),
    routesFrom: () => reading(async () => (await cursor(FORGOTTEN, reads)) ?? 0),
    continued: rows =>
      reading(async () => {
        const continued = new Set<number>()
        const asked = rows.filter(r => r.id !== null)
        for (const some of pieces(asked, MOST_VALUES)) {
          const found = db.aggregate<{ leaf: number }>(
            [{ $documents: some.map(({ collection: coll, id, leaf }) => ({ coll, id, leaf })) }, EARLIER, HAS_EARLIER],
            reads,
          )
          for await (const { leaf } of found) continued.add(leaf)
        }
        return continued
      }),
    cursor: name => reading(() => cursor(name, reads)),
    putCursor: (name, position) => writing(() => putCursor(name, position)),
  }
}

const same = (field: string) => ({ $eq: [`$${field}`, `$$${field}`] })
/** For each row the first of its id that has an earlier place. */
const EARLIER = {
  $lookup: {
    from: 'records',
    let: { coll: '$coll', id: '$id', leaf: '$leaf' },
    pipeline: [
      {
        $match: {
          $expr: { $and: [same('coll'), { $eq: ['$kind', OBJECT] }, same('id'), { $lt: ['$_id', '$$leaf'] }] },
        },
      },
      { $limit: 1 },
      { $project: { _id: 1 } },
    ],
    as: 'earlier',
  },
}
const HAS_EARLIER = { $match: { 'earlier.0': { $exists: true } } }
