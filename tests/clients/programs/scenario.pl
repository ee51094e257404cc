# The scenario with Perl's OpenAPI::Client on our own document: `perl scenario.pl URL`, facts on stdin, what was seen
# on stdout. The client refuses requests that the document does not allow; every answer is held against it here.
use Mojo::Base -strict, -signatures;
use Mojo::JSON qw(decode_json encode_json);
use Mojo::Util qw(decode encode);
use OpenAPI::Client;
use Time::HiRes 'sleep';

my ($url) = @ARGV;
my $given  = decode_json(do { local $/; <STDIN> });
my $client = OpenAPI::Client->new("$url/openapi.json");
$client->base_url(Mojo::URL->new($url));
my $schema = $client->validator;
my %route  = map { $_->{operation_id} => $_ } $schema->routes->each;
my @problems;

sub send_request ($operation, $params = {}, @content) {
  my $tx = $client->call($operation, $params, @content);
  check_answer($operation, $tx);
  return $tx;
}

sub check_answer ($operation, $tx) {
  push @problems, map {"$operation: $_"} problems_of($operation, $tx->res->code, $tx->res->json);
}

sub problems_of ($operation, $code, $value) {
  my $body = sub { {exists => 1, value => $value, content_type => 'application/json'} };
  return $schema->validate_response([@{$route{$operation}}{qw(method path)}, $code], {body => $body});
}

sub call ($operation, $params = {}, @content) {
  my $tx = send_request($operation, $params, @content);
  die "$operation: @{[$tx->error->{message}]} @{[$tx->res->body]}" if $tx->error;
  return $tx->res->json;
}

sub refusal (@request) {
  my $tx    = send_request(@request);
  my $error = $tx->error or return undef;
  my $told  = $tx->res->json->{error};
  return {
    %$told{qw(message param code type)},
    kind       => $error->{message},
    status     => 0 + $error->{code},
    request_id => $tx->res->headers->header('x-request-id'),
  };
}

sub collect ($operation, $params, $pick) {
  my (@found, $page);
  do {
    my %after = $page ? (after => $page->{last_id}) : ();
    $page = call($operation, {%$params, %after});
    push @found, map { $pick->($_) } @{$page->{data}};
  } while $page->{has_more};
  return \@found;
}

my %seen    = (version => $OpenAPI::Client::VERSION);
my $created = $seen{created} = call(createEval => {}, json => $given->{eval});
my %eval    = (eval_id => $created->{id});
die 'the check of answers sees nothing' unless problems_of(getEval => 200, {%$created, created_at => 'now'});
$seen{retrieved} = call(getEval    => {%eval});
$seen{updated}   = call(updateEval => {%eval}, json => $given->{update});
$seen{made}      = [$created->{id}, map { call(createEval => {}, json => $given->{eval})->{id} } 1 .. 4];
my %query = (limit => 2, order => 'asc', order_by => 'created_at');
$seen{first_page} = @{call(listEvals => {%query})->{data}};
$seen{listed}     = collect(listEvals => {%query}, sub { $_[0]{id} });

# The client holds a form's file against "type: string" and so takes no file with a name: the upload goes through its
# user agent, which writes the form.
my %part   = (content => encode('UTF-8', $given->{file}{content}), filename => $given->{file}{name});
my $form   = {purpose => 'evals', file => \%part};
my $upload = $client->ua->post("$url/v1/files" => form => $form);
check_answer(createFile => $upload);
$seen{file}         = $upload->res->json;
$seen{file_content} = decode('UTF-8', $client->call(downloadFile => {file_id => $seen{file}{id}})->res->body);

my %sources = (
  inline => {type => 'jsonl', source => {type => 'file_content', content => $given->{rows}}},
  file   => {type => 'jsonl', source => {type => 'file_id',      id      => $seen{file}{id}}},
);
for my $name (qw(inline file)) {
  my $body = {name => $name, data_source => $sources{$name}, metadata => $given->{metadata}};
  my $run = $seen{"started_$name"} = call(createEvalRun => {%eval}, json => $body);
  until ($run->{status} =~ /^(?:completed|failed|canceled)$/) {
    sleep 0.05;
    $run = call(getEvalRun => {%eval, run_id => $run->{id}});
  }
  $seen{"ended_$name"} = $run;
}
my %ended = (%eval, run_id => $seen{ended_inline}{id});
$seen{runs}           = collect(getEvalRuns => {%eval, limit => 1, order => 'asc'}, sub { $_[0]{name} });
$seen{completed_runs} = collect(
  getEvalRuns => {%eval, limit => 1, order => 'asc', status => 'completed'},
  sub { $_[0]{name} }
);

$seen{items} = collect(getEvalRunOutputItems => {%ended, limit => 3, order => 'asc'}, sub { $_[0] });
$seen{item}  = call(getEvalRunOutputItem => {%ended, output_item_id => $seen{items}[0]{id}});
$seen{failed_items}
  = collect(getEvalRunOutputItems => {%ended, limit => 1, status => 'fail'}, sub { $_[0]{datasource_item_id} });

my $large     = {type => 'jsonl', source => {type => 'file_id', id => $given->{large_file_id}}};
my $under_way = call(createEvalRun => {%eval}, json => {data_source => $large});
my %under_way = (%eval, run_id => $under_way->{id});
while ($under_way->{status} eq 'queued') {
  sleep 0.01;
  $under_way = call(getEvalRun => {%under_way});
}
$seen{under_way}       = $under_way->{status};
$seen{canceled}        = call(cancelEvalRun => {%under_way});
$seen{canceled_later}  = call(getEvalRun    => {%under_way});
$seen{cancel_of_ended} = call(cancelEvalRun => {%ended});

$seen{deleted_run}   = call(deleteEvalRun => {%ended});
$seen{deleted_evals} = [map { call(deleteEval => {eval_id => $_}) } @{$seen{made}}];
$seen{deleted_file}  = call(deleteFile => {file_id => $seen{file}{id}});
$seen{not_found}     = refusal(getEval    => {%eval});
$seen{bad_request}   = refusal(createEval => {}, json => $given->{bad_eval});
$seen{problems}      = \@problems;
print encode_json(\%seen), "\n";
