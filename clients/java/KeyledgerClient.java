import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.PublicKey;
import java.security.SecureRandom;
import java.security.Signature;
import java.security.interfaces.RSAPublicKey;
import java.security.spec.X509EncodedKeySpec;
import java.time.Clock;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * Asks a keyledger server whether a licence key is valid, and bridges the hours in which it cannot be reached.
 *
 * <p>Copy this file into your program and give it your package; it wants Java 17 and nothing else.
 *
 * <pre>{@code
 * var client = KeyledgerClient.of("https://keys.example.com", TEAM_ID, SERVER_KEYS)
 *         .teamPublicKey(TEAM_PUBLIC_KEY).store(Path.of("license.json")).build();
 * var result = client.verify(KeyledgerClient.Question.of(key).productId(PRODUCT_ID));
 * if (!result.valid()) System.out.println(result.code() + " " + result.details());
 * }</pre>
 *
 * <p>A client may be used from several threads. A call blocks for at most the timeout: keep it off a thread that
 * must not wait, such as a game server's.
 */
public final class KeyledgerClient {
    public static final Duration GRACE = Duration.ofDays(7);
    public static final Duration TIMEOUT = Duration.ofSeconds(10);
    private static final long CLOCK_SKEW_SECONDS_MAX = 300;
    private static final int ANSWER_BYTES_MAX = 1 << 20;
    private static final int STORE_BYTES_MAX = 4 << 20;
    private static final int RSA_BITS_MIN = 2048;
    private static final SecureRandom RANDOM = new SecureRandom();

    private final String teamId;
    private final String url;
    private final List<PublicKey> serverKeys;
    private final PublicKey teamKey;
    private final Path store;
    private final Duration grace;
    private final Duration timeout;
    private final Clock clock;
    // A licence key goes to the server that the program names, and nowhere else.
    private final HttpClient http = HttpClient.newBuilder()
            .version(HttpClient.Version.HTTP_1_1).followRedirects(HttpClient.Redirect.NEVER).build();

    /**
     * What is known of a licence key.
     *
     * @param code the server's word ({@code VALID}, {@code LICENSE_EXPIRED}, ...), or {@code UNREACHABLE}: no answer
     *     that can be trusted
     * @param details a sentence for people
     * @param offline whether this rests on a stored answer, because the server gave none
     * @param data what the team's settings let the server tell about the licence, as maps, lists, strings, booleans,
     *     {@code Long}s and {@code Double}s; or null
     * @param checkedAt when the server said so; null for {@code UNREACHABLE}
     */
    public record Result(
            boolean valid, String code, String details, boolean offline, Map<String, Object> data, Instant checkedAt) {}

    /** What is asked. Everything but the licence key may be null. */
    public record Question(
            String licenseKey,
            String productId,
            String customerId,
            String hardwareIdentifier,
            String version,
            String branch) {
        public Question {
            Objects.requireNonNull(licenseKey, "licenseKey");
        }

        public static Question of(String licenseKey) {
            return new Question(licenseKey, null, null, null, null, null);
        }

        public Question productId(String id) {
            return new Question(licenseKey, id, customerId, hardwareIdentifier, version, branch);
        }

        public Question customerId(String id) {
            return new Question(licenseKey, productId, id, hardwareIdentifier, version, branch);
        }

        public Question hardwareIdentifier(String id) {
            return new Question(licenseKey, productId, customerId, id, version, branch);
        }

        public Question version(String number) {
            return new Question(licenseKey, productId, customerId, hardwareIdentifier, number, branch);
        }

        public Question branch(String name) {
            return new Question(licenseKey, productId, customerId, hardwareIdentifier, version, name);
        }
    }

    /** What a client is made of. */
    public static final class Builder {
        private final String baseUrl;
        private final String teamId;
        private final String serverKeys;
        private String teamPublicKey;
        private Path store;
        private Duration grace = GRACE;
        private Duration timeout = TIMEOUT;
        private Clock clock = Clock.systemUTC();

        private Builder(String baseUrl, String teamId, String serverKeys) {
            this.baseUrl = baseUrl;
            this.teamId = teamId;
            this.serverKeys = serverKeys;
        }

        /**
         * What {@code keyledger team create} prints: base64 of a PEM. With it, another team on the same server cannot
         * vouch for your licences.
         */
        public Builder teamPublicKey(String key) {
            teamPublicKey = key;
            return this;
        }

        /** The file of the last valid answer. Without it there is no offline grace. */
        public Builder store(Path file) {
            store = file;
            return this;
        }

        public Builder grace(Duration duration) {
            grace = duration;
            return this;
        }

        /** The limit for a whole exchange with the server. */
        public Builder timeout(Duration duration) {
            timeout = duration;
            return this;
        }

        /** For tests. */
        public Builder clock(Clock source) {
            clock = source;
            return this;
        }

        public KeyledgerClient build() {
            return new KeyledgerClient(this);
        }
    }

    /**
     * Begins a client for one team.
     *
     * @param serverKeys the JWK set of /.well-known/keyledger-keys.json. Pin it in your program; fetched at run time,
     *     it would prove nothing.
     */
    public static Builder of(String baseUrl, String teamId, String serverKeys) {
        return new Builder(baseUrl, teamId, serverKeys);
    }

    private KeyledgerClient(Builder from) {
        if (!from.baseUrl.matches("https?://.+")) {
            throw new IllegalArgumentException("baseUrl is " + from.baseUrl + "; it begins with https:// or http://");
        }
        if (from.teamId.isEmpty()) {
            throw new IllegalArgumentException("teamId is empty; `keyledger team list` shows it");
        }
        if (from.grace.isNegative() || from.timeout.isNegative() || from.timeout.isZero()) {
            throw new IllegalArgumentException("grace is 0 or more, and timeout more than 0");
        }
        teamId = from.teamId;
        url = from.baseUrl.replaceAll("/+$", "") + "/api/v1/client/teams/"
                + URLEncoder.encode(teamId, StandardCharsets.UTF_8).replace("+", "%20") + "/verification/";
        URI.create(url);
        serverKeys = Keys.ofServer(from.serverKeys);
        teamKey = from.teamPublicKey == null ? null : Keys.ofTeam(from.teamPublicKey);
        store = from.store == null ? null : from.store.toAbsolutePath();
        grace = from.grace;
        timeout = from.timeout;
        clock = from.clock;
    }

    /** Whether the key is valid, for this product and device. */
    public Result verify(Question question) {
        return ask("verify", question);
    }

    /** As {@link #verify}, and tells the server that this device is still in use. */
    public Result heartbeat(Question question) {
        if (question.hardwareIdentifier() == null || question.hardwareIdentifier().isEmpty()) {
            throw new IllegalArgumentException("heartbeat wants a hardwareIdentifier");
        }
        return ask("heartbeat", question);
    }

    private Result ask(String action, Question question) {
        byte[] random = new byte[32];
        RANDOM.nextBytes(random);
        String challenge = HexFormat.of().formatHex(random);
        try {
            Answer answer = post(action, question, challenge);
            // An overloaded or broken server says nothing about the licence.
            if (answer.status == 429 || answer.status >= 500) {
                throw new NoAnswer("the server answered " + answer.status);
            }
            SignatureHeader header = SignatureHeader.parse(answer.header);
            Opened opened = open(challenge, header.t, header.signatures, answer.body);
            long apart = Math.abs(clock.instant().getEpochSecond() - header.t);
            if (apart > CLOCK_SKEW_SECONDS_MAX) {
                throw new NoAnswer(
                        "the server's clock and this device's are " + apart + " s apart; please set the clock");
            }
            if (opened.valid && answer.status != 200) {
                throw new NoAnswer("the server answered " + answer.status + " with a valid licence");
            }
            String remark = opened.valid ? keep(question, challenge, header.t, answer.body, opened.signature) : "";
            if (!opened.valid && (answer.status == 403 || answer.status == 404)) {
                forget();
            }
            Instant at = Instant.ofEpochSecond(header.t);
            return new Result(opened.valid, opened.code, opened.details + remark, false, opened.data, at);
        } catch (NoAnswer reason) {
            return offline(question, reason.getMessage());
        }
    }

    // The server's answers.

    /** There is no answer that can be trusted. The message says why, and holds neither key nor secret. */
    private static final class NoAnswer extends Exception {
        private static final long serialVersionUID = 1;

        NoAnswer(String why) {
            super(why, null, false, false);
        }
    }

    private record Answer(int status, String header, byte[] body) {}

    /** What stands in an answer whose signature holds. */
    private record Opened(byte[] signature, boolean valid, String code, String details, Map<String, Object> data) {}

    private Answer post(String action, Question question, String challenge) throws NoAnswer {
        Map<String, Object> fields = new LinkedHashMap<>();
        fields.put("licenseKey", question.licenseKey());
        fields.put("productId", question.productId());
        fields.put("customerId", question.customerId());
        fields.put("hardwareIdentifier", question.hardwareIdentifier());
        fields.put("version", question.version());
        fields.put("branch", question.branch());
        fields.put("challenge", challenge);
        fields.values().removeIf(Objects::isNull);
        HttpRequest request = HttpRequest.newBuilder(URI.create(url + action))
                .header("Content-Type", "application/json")
                .header("User-Agent", "keyledger-client-java")
                .POST(HttpRequest.BodyPublishers.ofString(Json.write(fields)))
                .build();

        // HttpRequest's own timeout ends with the headers, and a server that drips its body would hold us for ever.
        // A thread of its own keeps the limit for the whole exchange.
        var exchange = new FutureTask<>(() -> {
            HttpResponse<InputStream> response = http.send(request, HttpResponse.BodyHandlers.ofInputStream());
            try (InputStream body = response.body()) {
                String header = response.headers().firstValue("Keyledger-Signature").orElse(null);
                return new Answer(response.statusCode(), header, body.readNBytes(ANSWER_BYTES_MAX + 1));
            }
        });
        var thread = new Thread(exchange, "keyledger");
        thread.setDaemon(true);
        thread.start();
        try {
            Answer answer = exchange.get(timeout.toNanos(), TimeUnit.NANOSECONDS);
            if (answer.body.length > ANSWER_BYTES_MAX) {
                throw new NoAnswer("the answer is longer than " + ANSWER_BYTES_MAX + " bytes");
            }
            return answer;
        } catch (TimeoutException error) {
            exchange.cancel(true);
            throw new NoAnswer("the server did not answer within " + timeout.toMillis() / 1000.0 + " s");
        } catch (InterruptedException error) {
            exchange.cancel(true);
            Thread.currentThread().interrupt();
            throw new NoAnswer("the program did not wait for the server's answer");
        } catch (ExecutionException error) {
            // Some of the JDK's network errors have no message; their names say enough.
            throw new NoAnswer("the server cannot be reached: " + error.getCause());
        }
    }

    /** Checks the signatures, then reads the body. Nothing of an answer is looked at before this. */
    private Opened open(String challenge, long t, List<byte[]> signatures, byte[] body) throws NoAnswer {
        byte[] prefix = (t + "." + challenge + ".").getBytes(StandardCharsets.UTF_8);
        byte[] signature = null;
        for (byte[] each : signatures) {
            if (serverKeys.stream().anyMatch(key -> Keys.verifies("Ed25519", key, each, prefix, body))) {
                signature = each;
            }
        }
        if (signature == null) {
            throw new NoAnswer("the answer's signature is wrong");
        }
        Map<String, Object> parsed = parse(body, "the answer is not JSON of the expected form");
        Map<String, Object> data = Json.object(parsed.get("data"));
        Map<String, Object> result = Json.object(parsed.get("result"));
        if (result == null
                || !(result.get("valid") instanceof Boolean valid)
                || !(result.get("code") instanceof String code)
                || !(result.get("details") instanceof String details)
                || (data == null && parsed.get("data") != null)) {
            throw new NoAnswer("the answer is not JSON of the expected form");
        }
        if (valid && teamKey != null) {
            byte[] response = result.get("challengeResponse") instanceof String hex ? Keys.decodeHex(hex) : null;
            byte[] message = challenge.getBytes(StandardCharsets.UTF_8);
            if (response == null || !Keys.verifies("SHA256withRSA", teamKey, response, message)) {
                throw new NoAnswer("the answer does not prove that it comes from the team");
            }
        }
        return new Opened(signature, valid, code, details, data);
    }

    private static Map<String, Object> parse(byte[] text, String otherwise) throws NoAnswer {
        try {
            // A decoder of one's own reports broken UTF-8, where new String would mend it.
            var decoded = StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(text)).toString();
            return Objects.requireNonNull(Json.object(Json.parse(decoded)));
        } catch (CharacterCodingException | IllegalArgumentException | NullPointerException error) {
            throw new NoAnswer(otherwise);
        }
    }

    /** {@code t=<unix>,ed25519=<base64>}. */
    private record SignatureHeader(long t, List<byte[]> signatures) {
        /**
         * Other names are passed over, and more than one signature may stand there, so that a server can sign with its
         * old and its new key.
         */
        static SignatureHeader parse(String header) throws NoAnswer {
            if (header == null) {
                throw new NoAnswer("the answer is not signed");
            }
            var times = new ArrayList<String>();
            var signatures = new ArrayList<byte[]>();
            for (String part : header.split(",")) {
                String[] field = part.strip().split("=", 2);
                if (field.length == 2 && field[0].equals("t")) {
                    times.add(field[1]);
                } else if (field.length == 2 && field[0].equals("ed25519")) {
                    signatures.add(Keys.decodeBase64(field[1]));
                }
            }
            if (times.size() != 1 || !times.get(0).matches("0|[1-9][0-9]{0,14}") || signatures.contains(null)) {
                throw new NoAnswer("the answer's signature has another form than expected");
            }
            return new SignatureHeader(Long.parseLong(times.get(0)), signatures);
        }
    }

    // The stored answer.

    /** The verdict of the stored answer. It is trusted no further than its signature and its age allow. */
    private Result offline(Question question, String reason) {
        try {
            Map<String, Object> stored = read();
            Opened opened = reopen(stored);
            checkQuestion(stored, question);
            long t = (Long) stored.get("t");
            checkTime(t, opened);
            String details = opened.details + ", as the server said before; now " + reason;
            return new Result(true, opened.code, details, true, opened.data, Instant.ofEpochSecond(t));
        } catch (NoAnswer missing) {
            return new Result(false, "UNREACHABLE", reason + "; " + missing.getMessage(), false, null, null);
        }
    }

    private Opened reopen(Map<String, Object> stored) throws NoAnswer {
        byte[] signature = stored.get("signature") instanceof String base64 ? Keys.decodeBase64(base64) : null;
        if (signature == null
                || !(stored.get("t") instanceof Long t)
                || Math.abs(t) >= 1L << 53
                || !(stored.get("challenge") instanceof String challenge)
                || !(stored.get("body") instanceof String body)) {
            throw new NoAnswer("the stored answer is damaged");
        }
        Opened opened;
        try {
            opened = open(challenge, t, List.of(signature), body.getBytes(StandardCharsets.UTF_8));
        } catch (NoAnswer wrong) {
            throw new NoAnswer("the stored answer does not count: " + wrong.getMessage());
        }
        if (!opened.valid) {
            throw new NoAnswer("the stored answer is not a valid one");
        }
        return opened;
    }

    private void checkQuestion(Map<String, Object> stored, Question question) throws NoAnswer {
        same("licence key", stored.get("licenseKey"), question.licenseKey());
        same("device", stored.get("hardwareIdentifier"), question.hardwareIdentifier());
        // What was not asked then has not been answered; asking for less now is fine.
        if (question.productId() != null) {
            same("product", stored.get("productId"), question.productId());
        }
        if (question.customerId() != null) {
            same("customer", stored.get("customerId"), question.customerId());
        }
        same("team", stored.get("teamId"), teamId);
    }

    private static void same(String what, Object stored, String asked) throws NoAnswer {
        if (!Objects.equals(stored, asked)) {
            throw new NoAnswer("the stored answer is for another " + what);
        }
    }

    private void checkTime(long t, Opened opened) throws NoAnswer {
        long now = clock.instant().getEpochSecond();
        if (now < t - CLOCK_SKEW_SECONDS_MAX) {
            throw new NoAnswer("this device's clock is set to before the stored answer; please set the clock");
        }
        if (Duration.ofSeconds(Math.max(0, now - t)).compareTo(grace) >= 0) {
            throw new NoAnswer("the time that a licence may go unchecked is over");
        }
        Map<String, Object> license = opened.data == null ? null : Json.object(opened.data.get("license"));
        Object expires = license == null ? null : license.get("expirationDate");
        if (expires != null && unixSeconds(expires) <= now) {
            throw new NoAnswer("the licence expired on " + expires);
        }
    }

    /** Reads an RFC 3339 time. One that cannot be read counts as past, so that grace never outlives a licence. */
    private static long unixSeconds(Object text) {
        try {
            return OffsetDateTime.parse(text.toString()).toEpochSecond();
        } catch (DateTimeException error) {
            return 0;
        }
    }

    private Map<String, Object> read() throws NoAnswer {
        if (store == null) {
            throw new NoAnswer("no answer is stored, because the program names no file for it");
        }
        byte[] text;
        try (InputStream file = Files.newInputStream(store)) {
            text = file.readNBytes(STORE_BYTES_MAX + 1);
        } catch (NoSuchFileException error) {
            throw new NoAnswer("there is no stored answer");
        } catch (IOException error) {
            throw new NoAnswer("the stored answer cannot be read: " + error);
        }
        if (text.length > STORE_BYTES_MAX) {
            throw new NoAnswer("the stored answer is damaged");
        }
        return parse(text, "the stored answer is damaged");
    }

    /** Keeps a valid answer. A full disk must not turn it into a refusal, so this returns a remark. */
    private String keep(Question question, String challenge, long t, byte[] body, byte[] signature) {
        if (store == null) {
            return "";
        }
        Map<String, Object> fields = new LinkedHashMap<>();
        fields.put("challenge", challenge);
        fields.put("t", t);
        fields.put("body", new String(body, StandardCharsets.UTF_8));
        fields.put("signature", Base64.getEncoder().encodeToString(signature));
        fields.put("teamId", teamId);
        fields.put("licenseKey", question.licenseKey());
        fields.put("hardwareIdentifier", question.hardwareIdentifier());
        fields.put("productId", question.productId());
        fields.put("customerId", question.customerId());
        fields.values().removeIf(Objects::isNull);
        Path temporary = null;
        try {
            Files.createDirectories(store.getParent());
            // createTempFile makes the file for its owner alone, where the system has such a thing.
            temporary = Files.createTempFile(store.getParent(), store.getFileName() + ".", "");
            try (FileChannel file = FileChannel.open(temporary, StandardOpenOption.WRITE)) {
                ByteBuffer text = StandardCharsets.UTF_8.encode(Json.write(fields));
                while (text.hasRemaining()) {
                    file.write(text);
                }
                file.force(true);
            }
            // The rename is atomic: a reader sees the old answer or the new one.
            Files.move(temporary, store, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
            return "";
        } catch (IOException error) {
            remove(temporary);
            return " (it could not be stored for offline use: " + error + ")";
        }
    }

    private void forget() {
        remove(store);
    }

    private static void remove(Path file) {
        try {
            if (file != null) {
                Files.deleteIfExists(file);
            }
        } catch (IOException error) {
            // What cannot be deleted still counts no longer than its grace.
        }
    }

    /** Keys, signatures and how they are written. */
    private static final class Keys {
        /** What stands before the 32 bytes of an Ed25519 key in the form that the JDK reads (RFC 8410). */
        private static final byte[] ED25519_PREFIX = HexFormat.of().parseHex("302a300506032b6570032100");

        /** The Ed25519 keys of a JWK set (RFC 7517, RFC 8037). Keys of other kinds are passed over. */
        static List<PublicKey> ofServer(String jwks) {
            var keys = new ArrayList<PublicKey>();
            if (Json.parse(jwks) instanceof Map<?, ?> set && set.get("keys") instanceof List<?> list) {
                for (Object each : list) {
                    Map<String, Object> jwk = Json.object(each);
                    if (jwk != null && "OKP".equals(jwk.get("kty")) && "Ed25519".equals(jwk.get("crv"))) {
                        byte[] x = Base64.getUrlDecoder().decode((String) jwk.get("x"));
                        if (x.length != 32) {
                            throw new IllegalArgumentException("serverKeys holds an Ed25519 key that is not 32 bytes");
                        }
                        byte[] encoded = Arrays.copyOf(ED25519_PREFIX, ED25519_PREFIX.length + x.length);
                        System.arraycopy(x, 0, encoded, ED25519_PREFIX.length, x.length);
                        keys.add(read("Ed25519", encoded, "serverKeys holds a broken Ed25519 key"));
                    }
                }
            }
            if (keys.isEmpty()) {
                throw new IllegalArgumentException(
                        "serverKeys holds no Ed25519 key; take the set from /.well-known/keyledger-keys.json");
            }
            return List.copyOf(keys);
        }

        /** Reads a PEM, or base64 of one. */
        static PublicKey ofTeam(String text) {
            String wrong = "teamPublicKey is not what `keyledger team create` prints: base64 of a PEM";
            try {
                String pem = text.contains("-----BEGIN")
                        ? text
                        : new String(Base64.getMimeDecoder().decode(text), StandardCharsets.US_ASCII);
                String inner = pem.replaceAll("-----(BEGIN|END) PUBLIC KEY-----", "").strip();
                PublicKey key = read("RSA", Base64.getMimeDecoder().decode(inner), wrong);
                if (((RSAPublicKey) key).getModulus().bitLength() < RSA_BITS_MIN) {
                    throw new IllegalArgumentException("it has fewer than " + RSA_BITS_MIN + " bits");
                }
                return key;
            } catch (IllegalArgumentException error) {
                throw new IllegalArgumentException(wrong, error);
            }
        }

        private static PublicKey read(String algorithm, byte[] encoded, String wrong) {
            try {
                return KeyFactory.getInstance(algorithm).generatePublic(new X509EncodedKeySpec(encoded));
            } catch (GeneralSecurityException error) {
                throw new IllegalArgumentException(wrong, error);
            }
        }

        static boolean verifies(String algorithm, PublicKey key, byte[] signature, byte[]... message) {
            try {
                Signature verifier = Signature.getInstance(algorithm);
                verifier.initVerify(key);
                for (byte[] part : message) {
                    verifier.update(part);
                }
                return verifier.verify(signature);
            } catch (GeneralSecurityException error) {
                // A signature of the wrong length is an exception for the JDK.
                return false;
            }
        }

        /** Null for what is not base64 with its padding. */
        static byte[] decodeBase64(String text) {
            try {
                return text.length() % 4 == 0 ? Base64.getDecoder().decode(text) : null;
            } catch (IllegalArgumentException error) {
                return null;
            }
        }

        /** Null for what is not lower-case hex. */
        static byte[] decodeHex(String text) {
            return text.matches("([0-9a-f]{2})+") ? HexFormat.of().parseHex(text) : null;
        }
    }

    /** JSON (RFC 8259), as much as the client needs: the JDK has none. */
    static final class Json {
        /** Deeper nesting could overflow the stack, and no answer of ours comes near it. */
        private static final int DEPTH_MAX = 64;

        private final String text;
        private int at;

        private Json(String text) {
            this.text = text;
        }

        /** Gives maps, lists, strings, Longs, Doubles, Booleans and null; throws IllegalArgumentException. */
        static Object parse(String text) {
            Json reader = new Json(text);
            Object value = reader.value(0);
            reader.space();
            if (reader.at != text.length()) {
                throw reader.wrong();
            }
            return value;
        }

        /** The value as an object, or null. */
        @SuppressWarnings("unchecked")
        static Map<String, Object> object(Object value) {
            // The reader makes no other maps than these.
            return value instanceof Map ? (Map<String, Object>) value : null;
        }

        static String write(Object value) {
            StringBuilder out = new StringBuilder();
            write(value, out);
            return out.toString();
        }

        private static void write(Object value, StringBuilder out) {
            if (value instanceof Map<?, ?> map) {
                String before = "{";
                for (var entry : map.entrySet()) {
                    out.append(before);
                    write(entry.getKey(), out);
                    write(entry.getValue(), out.append(':'));
                    before = ",";
                }
                out.append(map.isEmpty() ? "{}" : "}");
            } else if (value instanceof List<?> list) {
                String before = "[";
                for (Object each : list) {
                    write(each, out.append(before));
                    before = ",";
                }
                out.append(list.isEmpty() ? "[]" : "]");
            } else if (value instanceof String string) {
                out.append('"');
                for (char c : string.toCharArray()) {
                    if (c == '"' || c == '\\') {
                        out.append('\\').append(c);
                    } else if (c < ' ' || Character.isSurrogate(c)) {
                        out.append(String.format("\\u%04x", (int) c));
                    } else {
                        out.append(c);
                    }
                }
                out.append('"');
            } else {
                out.append(value);
            }
        }

        private IllegalArgumentException wrong() {
            return new IllegalArgumentException("not JSON, at character " + at);
        }

        private void space() {
            while (at < text.length() && " \t\r\n".indexOf(text.charAt(at)) >= 0) {
                at++;
            }
        }

        private boolean take(String expected) {
            boolean there = text.startsWith(expected, at);
            at += there ? expected.length() : 0;
            return there;
        }

        private void want(String expected) {
            space();
            if (!take(expected)) {
                throw wrong();
            }
        }

        private Object value(int depth) {
            if (depth > DEPTH_MAX) {
                throw wrong();
            }
            space();
            if (take("{")) {
                return members(depth);
            } else if (take("[")) {
                return elements(depth);
            } else if (take("\"")) {
                return string();
            } else if (take("true")) {
                return true;
            } else if (take("false")) {
                return false;
            } else if (take("null")) {
                return null;
            }
            return number();
        }

        private Map<String, Object> members(int depth) {
            Map<String, Object> members = new LinkedHashMap<>();
            space();
            if (take("}")) {
                return members;
            }
            do {
                want("\"");
                String name = string();
                want(":");
                members.put(name, value(depth + 1));
                space();
            } while (take(","));
            want("}");
            return members;
        }

        private List<Object> elements(int depth) {
            List<Object> elements = new ArrayList<>();
            space();
            if (take("]")) {
                return elements;
            }
            do {
                elements.add(value(depth + 1));
                space();
            } while (take(","));
            want("]");
            return elements;
        }

        private String string() {
            StringBuilder out = new StringBuilder();
            while (at < text.length()) {
                char c = text.charAt(at++);
                if (c == '"') {
                    return out.toString();
                } else if (c < ' ') {
                    throw wrong();
                }
                out.append(c == '\\' ? escape() : c);
            }
            throw wrong();
        }

        private char escape() {
            if (take("u")) {
                String digits = text.substring(at, Math.min(at + 4, text.length()));
                if (!digits.matches("[0-9a-fA-F]{4}")) {
                    throw wrong();
                }
                at += 4;
                return (char) Integer.parseInt(digits, 16);
            }
            int which = at < text.length() ? "\"\\/bfnrt".indexOf(text.charAt(at++)) : -1;
            if (which < 0) {
                throw wrong();
            }
            return "\"\\/\b\f\n\r\t".charAt(which);
        }

        private Object number() {
            int from = at;
            while (at < text.length() && "+-.eE0123456789".indexOf(text.charAt(at)) >= 0) {
                at++;
            }
            String number = text.substring(from, at);
            if (number.matches("-?(0|[1-9][0-9]{0,17})")) {
                return Long.valueOf(number);
            } else if (number.matches("-?(0|[1-9][0-9]*)(\\.[0-9]+)?([eE][+-]?[0-9]+)?")) {
                return Double.valueOf(number);
            }
            throw wrong();
        }
    }
}
