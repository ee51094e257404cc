import { Link, useNavigate } from "@tanstack/react-router";
import { useShortcut } from "@/keyboard/shortcuts";
import { Brand, Icon } from "@/parts/Icon";
import { PLACES } from "./places";

type Place = (typeof PLACES)[number];

/** Where everything is; narrow windows show the icons only. */
export function Rail() {
  return (
    <nav className="rail" aria-label="Main">
      <Link className="brand" to="/" aria-label="Evalhaven">
        <Brand />
        <span className="word">Evalhaven</span>
      </Link>
      {PLACES.map((place) => (
        <PlaceLink key={place.to} place={place} />
      ))}
      <div className="server">{location.host}</div>
    </nav>
  );
}

function PlaceLink({ place }: { place: Place }) {
  const navigate = useNavigate();
  useShortcut(place.keys, `go to ${place.name}`, () => navigate({ to: place.to }));
  return (
    <Link className="place" to={place.to} title={place.name} activeProps={{ "aria-current": "page" }}>
      <Icon name={place.icon} />
      <span className="word">{place.name}</span>
    </Link>
  );
}
