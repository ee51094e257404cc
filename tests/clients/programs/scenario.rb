# The scenario with requests as OpenAI's Ruby SDK sends them: `ruby scenario.rb URL`, facts on stdin, what was seen on
# stdout. The gem is in no Debian package. What follows it, by its published source (openai-ruby, lib/openai):
# - paths, verbs and which parameters are query and which body: resources/evals/*.rb and the API reference for Ruby;
# - names and order of headers, no content-type where an operation has no body: internal/transport/base_client.rb;
# - an absolute URL as request target, chunked forms: internal/transport/pooled_net_requester.rb;
# - URI.encode_www_form for queries, percent-encoded names of form parts, a content-type in each: internal/util.rb;
# - the next page begins after the last id, as long as has_more is true: internal/cursor_page.rb.
require 'erb'
require 'json'
require 'net/http'
require 'securerandom'
require 'stringio'
require 'uri'

PLATFORM = {
  'x-stainless-arch' => 'x64',
  'x-stainless-lang' => 'ruby',
  'x-stainless-os' => 'Linux',
  'x-stainless-package-version' => '0.39.0',
  'x-stainless-runtime' => RUBY_ENGINE,
  'x-stainless-runtime-version' => RUBY_ENGINE_VERSION,
  'accept' => 'application/json',
  'content-type' => 'application/json',
  'user-agent' => 'OpenAI::Client/Ruby 0.39.0',
  'openai-organization' => 'org-any',
  'openai-project' => 'proj_any',
  'authorization' => 'Bearer any',
  'x-stainless-retry-count' => '0',
  'x-stainless-timeout' => '600.0'
}.freeze

# What Net::HTTP makes of an answer that is no success.
class Refused < StandardError
  attr_reader :answer

  def initialize(answer)
    super("#{answer.code} #{answer.body}")
    @answer = answer
  end
end

class Client
  def initialize(url)
    @base = "#{url}/v1"
    uri = URI(url)
    @http = Net::HTTP.new(uri.host, uri.port)
    @http.max_retries = 0
    @http.keep_alive_timeout = 30
    @http.start
  end

  def get(path, query = {})
    json(send_request(:get, path, query: query))
  end

  def post(path, body = nil)
    json(send_request(:post, path, body: body && JSON.generate(body)))
  end

  def delete(path)
    json(send_request(:delete, path))
  end

  def download(path)
    send_request(:get, path, headers: { 'accept' => 'application/binary' }).body
  end

  def upload(name, content, purpose)
    boundary = SecureRandom.urlsafe_base64(46)
    filename = ERB::Util.url_encode(name)
    form = "--#{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"#{filename}\"\r\n" \
           "Content-Type: application/octet-stream\r\n\r\n#{content}\r\n" \
           "--#{boundary}\r\nContent-Disposition: form-data; name=\"purpose\"\r\n" \
           "Content-Type: text/plain\r\n\r\n#{purpose}\r\n--#{boundary}--\r\n"
    headers = { 'content-type' => "multipart/form-data; boundary=#{boundary}", 'transfer-encoding' => 'chunked' }
    json(send_request(:post, 'files', body: form, headers: headers))
  end

  def each_of(path, query)
    page = nil
    loop do
      after = page ? { after: page['data'].last['id'] } : {}
      page = get(path, query.merge(after))
      page['data'].each { |each| yield each }
      break unless page['has_more']
    end
  end

  private

  def send_request(method, path, query: {}, body: nil, headers: {})
    url = "#{@base}/#{path}"
    url += "?#{URI.encode_www_form(query)}" unless query.empty?
    request = Net::HTTPGenericRequest.new(method.to_s.upcase, !body.nil?, true, url)
    PLATFORM.merge(headers).each { |name, value| request[name] = value }
    request.delete('content-type') if body.nil?
    if body
      request['content-length'] = body.bytesize.to_s unless request['transfer-encoding']
      request.body_stream = StringIO.new(body)
    end
    answer = @http.request(request)
    raise Refused, answer unless answer.is_a?(Net::HTTPSuccess)

    answer
  end

  def json(answer)
    JSON.parse(answer.body)
  end
end

def refusal
  yield
  nil
rescue Refused => e
  told = JSON.parse(e.answer.body)['error']
  {
    kind: e.answer.class.name, status: Integer(e.answer.code), request_id: e.answer['x-request-id'],
    **told.transform_keys(&:to_sym)
  }
end

client = Client.new(ARGV.fetch(0))
given = JSON.parse($stdin.read)
seen = { version: RUBY_VERSION, problems: [] }

created = seen[:created] = client.post('evals', given['eval'])
at = "evals/#{ERB::Util.url_encode(created['id'])}"
seen[:retrieved] = client.get(at)
seen[:updated] = client.post(at, given['update'])
seen[:made] = [created['id'], *Array.new(4) { client.post('evals', given['eval'])['id'] }]
query = { limit: 2, order: :asc, order_by: :created_at }
seen[:first_page] = client.get('evals', query)['data'].length
seen[:listed] = client.to_enum(:each_of, 'evals', query).map { |each| each['id'] }

seen[:file] = client.upload(given['file']['name'], given['file']['content'], 'evals')
seen[:file_content] = client.download("files/#{seen[:file]['id']}/content").force_encoding('UTF-8')

sources = {
  inline: { type: 'file_content', content: given['rows'] },
  file: { type: 'file_id', id: seen[:file]['id'] }
}
sources.each do |name, source|
  body = { name: name, data_source: { type: :jsonl, source: source }, metadata: given['metadata'] }
  run = seen[:"started_#{name}"] = client.post("#{at}/runs", body)
  until %w[completed failed canceled].include?(run['status'])
    sleep 0.05
    run = client.get("#{at}/runs/#{run['id']}")
  end
  seen[:"ended_#{name}"] = run
end
ended = "#{at}/runs/#{seen[:ended_inline]['id']}"
by_one = { limit: 1, order: :asc }
seen[:runs] = client.to_enum(:each_of, "#{at}/runs", by_one).map { |each| each['name'] }
seen[:completed_runs] =
  client.to_enum(:each_of, "#{at}/runs", by_one.merge(status: :completed)).map { |each| each['name'] }

items = "#{ended}/output_items"
seen[:items] = client.to_enum(:each_of, items, { limit: 3, order: :asc }).to_a
seen[:item] = client.get("#{items}/#{seen[:items].first['id']}")
seen[:failed_items] =
  client.to_enum(:each_of, items, { limit: 1, status: :fail }).map { |each| each['datasource_item_id'] }

large = { type: :jsonl, source: { type: :file_id, id: given['large_file_id'] } }
under_way = client.post("#{at}/runs", { data_source: large })
under_way_at = "#{at}/runs/#{under_way['id']}"
while under_way['status'] == 'queued'
  sleep 0.01
  under_way = client.get(under_way_at)
end
seen[:under_way] = under_way['status']
seen[:canceled] = client.post(under_way_at)
seen[:canceled_later] = client.get(under_way_at)
seen[:cancel_of_ended] = client.post(ended)

seen[:deleted_run] = client.delete(ended)
seen[:deleted_evals] = seen[:made].map { |id| client.delete("evals/#{id}") }
seen[:deleted_file] = client.delete("files/#{seen[:file]['id']}")
seen[:not_found] = refusal { client.get(at) }
seen[:bad_request] = refusal { client.post('evals', given['bad_eval']) }
puts JSON.generate(seen)
