/** The pairing of rows and columns with the highest total weight: the Hungarian method, in cubic time. */

/** For each row its column, or -1 for a row that has none. Weights are not negative. */
export const assign = (weights: ReadonlyArray<ReadonlyArray<number>>): ReadonlyArray<number> => {
  const rows = weights.length
  const columns = weights[0]?.length ?? 0
  if (rows === 0 || columns === 0) return weights.map(() => -1)
  if (rows > columns) {
    const transposed = Array.from({ length: columns }, (_, j) => weights.map((row) => row[j]!))
    const rowOf = assign(transposed)
    const result = Array.from({ length: rows }, () => -1)
    rowOf.forEach((row, column) => result[row] = column)
    return result
  }
  // Potentials of rows (u) and columns (v); matched[j] is the row of column j. Index 0 is a sentinel.
  const u = new Float64Array(rows + 1)
  const v = new Float64Array(columns + 1)
  const matched = new Int32Array(columns + 1)
  const way = new Int32Array(columns + 1)
  for (let i = 1; i <= rows; i++) {
    matched[0] = i
    let column = 0
    const slack = new Float64Array(columns + 1).fill(Infinity)
    const used = new Uint8Array(columns + 1)
    do {
      used[column] = 1
      const row = matched[column]!
      let delta = Infinity
      let next = 0
      for (let j = 1; j <= columns; j++) {
        if (used[j] === 1) continue
        const cost = -weights[row - 1]![j - 1]! - u[row]! - v[j]!
        if (cost < slack[j]!) {
          slack[j] = cost
          way[j] = column
        }
        if (slack[j]! < delta) {
          delta = slack[j]!
          next = j
        }
      }
      for (let j = 0; j <= columns; j++) {
        if (used[j] === 1) {
          u[matched[j]!] = u[matched[j]!]! + delta
          v[j] = v[j]! - delta
        } else slack[j] = slack[j]! - delta
      }
      column = next
    } while (matched[column] !== 0)
    while (column !== 0) {
      matched[column] = matched[way[column]!]!
      column = way[column]!
    }
  }
  const result = Array.from({ length: rows }, () => -1)
  for (let j = 1; j <= columns; j++) if (matched[j] !== 0) result[matched[j]! - 1] = j - 1
  return result
}
