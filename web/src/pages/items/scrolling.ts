/**
 * Where rows stand in a scrolled area. Browsers cap the height of an element (Firefox at about 17.9 million pixels),
 * so above a limit the scroll bar maps to rows by ratio, and wheel and keys move by rows.
 */

export const ROW_HEIGHT = 28;
const HIGHEST_CANVAS = 16_000_000;

export type Canvas = {
  rows: number;
  /** Height of the part that shows rows. */
  view: number;
};

export function canvasHeight({ rows }: Canvas): number {
  return Math.min(rows * ROW_HEIGHT, HIGHEST_CANVAS);
}

/** Whether the scroll bar's pixels are too few for the rows. */
export function isCapped({ rows }: Canvas): boolean {
  return rows * ROW_HEIGHT > HIGHEST_CANVAS;
}

/** The highest row that may stand at the top, with fractions. */
export function lastTop({ rows, view }: Canvas): number {
  return Math.max(0, rows - view / ROW_HEIGHT);
}

/** Return the row at the top for a position of the scroll bar. */
export function topOf(scrolled: number, canvas: Canvas): number {
  if (!isCapped(canvas)) return scrolled / ROW_HEIGHT;
  const way = canvasHeight(canvas) - canvas.view;
  return Math.min(1, Math.max(0, scrolled / way)) * lastTop(canvas);
}

/** Return the position of the scroll bar for a row at the top. */
export function scrolledOf(top: number, canvas: Canvas): number {
  if (!isCapped(canvas)) return top * ROW_HEIGHT;
  const way = canvasHeight(canvas) - canvas.view;
  return (top / lastTop(canvas)) * way;
}

/** Return the top at which a row is wholly seen, as near to the present one as may be. */
export function topToShow(row: number, top: number, canvas: Canvas): number {
  const seen = canvas.view / ROW_HEIGHT;
  const nearest = row < top ? row : row + 1 > top + seen ? row + 1 - seen : top;
  return Math.min(lastTop(canvas), Math.max(0, nearest));
}
