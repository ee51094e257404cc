import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { runningQuery } from "@/api/queries";
import { useShortcut } from "@/keyboard/shortcuts";
import { Brand, Icon } from "@/parts/Icon";
import { useSession } from "@/states/session";
import { PLACES, type Place } from "./places";
import { UserMenu } from "./UserMenu";

/** Where everything is; narrow windows show the icons only. */
export function Rail() {
  return (
    <nav className="rail" aria-label="Main">
      <Link className="brand" to="/" aria-label="Evalhaven">
        <Brand />
        <span className="word">Evalhaven</span>
      </Link>
      <Places />
      <span className="grow" />
      <UserMenu />
      <div className="server">{location.host}</div>
    </nav>
  );
}

/** The places that whoever uses this tab may see. */
function Places() {
  const permissions = useSession().caller?.permissions ?? [];
  return PLACES.filter(({ needs }) => needs === undefined || permissions.includes(needs)).map((place) => (
    <PlaceLink key={place.to} place={place} />
  ));
}

/** How many runs are under way, beside where they are listed. */
function RunningCount() {
  const running = useQuery(runningQuery).data?.data.length ?? 0;
  return running === 0 ? null : <span className="count">{running} running</span>;
}

function PlaceLink({ place }: { place: Place }) {
  const navigate = useNavigate();
  useShortcut(place.keys, `go to ${place.name}`, () => navigate({ to: place.to }));
  return (
    <Link className="place" to={place.to} title={place.name} activeProps={{ "aria-current": "page" }}>
      <Icon name={place.icon} />
      <span className="word">{place.name}</span>
      {place.to === "/runs" && <RunningCount />}
    </Link>
  );
}
