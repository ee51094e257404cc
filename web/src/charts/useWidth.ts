import { useEffect, useRef, useState } from "react";

const LEAST = 240;

/** The width that a chart has, so that its letters keep their size; `first` is what it is drawn with before it is known. */
export function useWidth(first: number) {
  const frame = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(first);
  useEffect(() => {
    if (frame.current === null) return;
    const watch = new ResizeObserver(
      ([entry]) => entry && setWidth(Math.max(LEAST, entry.contentRect.width)),
    );
    watch.observe(frame.current);
    return () => watch.disconnect();
  }, []);
  return [frame, width] as const;
}
