import { Icon } from "@/parts/Icon";
import { Name } from "@/text/SafeText";

const WITHIN = /^data:image\/(png|jpe?g|gif|webp|avif|bmp);base64,[a-z0-9+/=\s]+$/i;

/**
 * An image of an item. One that the item itself holds is shown; one that lies elsewhere is only opened by a click, in
 * a page of its own and without telling whose page it was: loading it would tell its server who reads this.
 */
export function Picture({ source }: { source: string }) {
  if (WITHIN.test(source)) return <img className="picture" src={source} alt="From the item" loading="lazy" />;
  const address = webAddress(source);
  if (address === null)
    return (
      <span className="second">
        Image that cannot be shown: <Name text={source.slice(0, 200)} />
      </span>
    );
  return (
    <a className="remote-picture" href={address.href} target="_blank" rel="noopener noreferrer">
      <Icon name="download" />
      <span>
        Image on <b>{address.host}</b>, not loaded. Open it in a new tab
      </span>
      <span className="second cut">
        <Name text={source.slice(0, 200)} />
      </span>
    </a>
  );
}

/** Whether a text is nothing but an image: its data, or the address of one. */
export function isImage(text: string): boolean {
  return (
    WITHIN.test(text) || (/\.(png|jpe?g|gif|webp|avif|bmp)(\?\S*)?$/i.test(text) && webAddress(text) !== null)
  );
}

function webAddress(source: string): URL | null {
  if (!/^https?:\/\//i.test(source) || !URL.canParse(source)) return null;
  return new URL(source);
}
