import type { StatementSync } from 'node:sqlite'
import type { RecordRow, Store } from '#store/store.ts'
import { RECORD_COLUMNS, toRecordRow } from './rows.ts'

type Access = {
  sql: (text: string, arrays?: boolean) => StatementSync
  reading: <T>(read: () => T) => Promise<T>
  /** One transaction. */
  changing: <T>(change: () => T) => Promise<T>
}

/** The cursor below which routes were forgotten. */
const FORGOTTEN = 'routes'

/** Where records go besides their collections, and how far those have come who bring them there. */
export function createRoutes({
  sql,
  reading,
  changing,
}: Access): Pick<
  Store,
  'routed' | 'countRouted' | 'routedTo' | 'forgetRoutes' | 'routesFrom' | 'continued' | 'cursor' | 'putCursor'
> {
  const cursor = (name: string) => {
    const row = sql('select position from cursor where name = ?', true).get(name) as unknown as [number] | undefined
    return row?.[0]
  }
  const putCursor = (name: string, position: number) =>
    sql('insert or replace into cursor(name, position) values(?,?)').run(name, position)

  return {
    routed: (channel, { from, limit, maxBytes = Number.POSITIVE_INFINITY }) =>
      reading(() => {
        const places = sql(
          // In this order, or the planner may read every row of the log for one channel.
          `select ${RECORD_COLUMNS.replace('leaf', 'r.leaf')}, text from route p cross join record r on r.leaf = p.leaf
           where p.channel = ? and p.leaf >= ? and r.text is not null order by p.leaf limit ?`,
          true,
        )
        const rows: RecordRow[] = []
        let bytes = 0
        for (const columns of places.iterate(channel, from, limit)) {
          const row = toRecordRow(columns)
          rows.push(row)
          bytes += row.text?.length ?? 0
          if (bytes > maxBytes) break
        }
        return rows
      }),
    countRouted: (channel, from, most) =>
      reading(() => {
        const counting = sql('select count(*) from (select 1 from route where channel = ? and leaf >= ? limit ?)', true)
        return (counting.get(channel, from, most) as unknown as [number])[0]
      }),
    routedTo: (leaf, channels) =>
      reading(() => {
        const route = sql('select 1 from route where channel = ? and leaf = ?', true)
        return channels.filter(channel => route.get(channel, leaf) !== undefined)
      }),
    forgetRoutes: below =>
      changing(() => {
        if ((cursor(FORGOTTEN) ?? 0) >= below) return
        for (const [channel] of sql('select distinct channel from route', true).all() as unknown as [string][])
          sql('delete from route where channel = ? and leaf < ?').run(channel, below)
        putCursor(FORGOTTEN, below)
      }),
    routesFrom: () => reading(() => cursor(FORGOTTEN) ?? 0),
    continued: rows =>
      reading(() => {
        const earlier = sql(
          'select 1 from record indexed by record_id where coll = ? and id = ? and kind = 0 and leaf < ? limit 1',
          true,
        )
        return new Set(
          rows.filter(r => r.id !== null && earlier.get(r.collection, r.id, r.leaf) !== undefined).map(r => r.leaf),
        )
      }),
    cursor: name => reading(() => cursor(name)),
    putCursor: (name, position) => reading(() => void putCursor(name, position)),
  }
}
