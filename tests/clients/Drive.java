import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Asks one question with the Java client and prints the result as one line of JSON.
 *
 * <p>usage: javac -d FOLDER ../../clients/java/KeyledgerClient.java Drive.java, then java -cp FOLDER Drive JSON, or
 * the JSON on standard input. The JSON is described in drive.py.
 */
final class Drive {
    private Drive() {}

    public static void main(String[] args) throws Exception {
        String text = args.length > 0 ? args[0] : new String(System.in.readAllBytes(), StandardCharsets.UTF_8);
        Map<String, Object> given = KeyledgerClient.Json.object(KeyledgerClient.Json.parse(text));
        KeyledgerClient client = client(given);
        var question = new KeyledgerClient.Question(
                (String) given.get("licenseKey"),
                (String) given.get("productId"),
                (String) given.get("customerId"),
                (String) given.get("hardwareIdentifier"),
                (String) given.get("version"),
                (String) given.get("branch"));
        var result = switch ((String) given.get("action")) {
            case "verify" -> client.verify(question);
            case "heartbeat" -> client.heartbeat(question);
            default -> throw new IllegalArgumentException("action is " + given.get("action"));
        };
        Map<String, Object> out = new LinkedHashMap<>();
        out.put("valid", result.valid());
        out.put("code", result.code());
        out.put("details", result.details());
        out.put("offline", result.offline());
        out.put("data", result.data());
        out.put("checkedAt", result.checkedAt() == null ? null : result.checkedAt().getEpochSecond());
        byte[] line = (KeyledgerClient.Json.write(out) + "\n").getBytes(StandardCharsets.UTF_8);
        System.out.write(line, 0, line.length);
        System.out.flush();
    }

    private static KeyledgerClient client(Map<String, Object> given) {
        String serverKeys = KeyledgerClient.Json.write(given.get("serverKeys"));
        var builder = KeyledgerClient.of((String) given.get("base"), (String) given.get("teamId"), serverKeys)
                .teamPublicKey((String) given.get("teamPublicKey"))
                .clock(Clock.offset(Clock.systemUTC(), seconds(given.getOrDefault("clockOffsetSeconds", 0))));
        if (given.get("storePath") instanceof String path) {
            builder.store(Path.of(path));
        }
        if (given.containsKey("graceSeconds")) {
            builder.grace(seconds(given.get("graceSeconds")));
        }
        if (given.containsKey("timeoutSeconds")) {
            builder.timeout(seconds(given.get("timeoutSeconds")));
        }
        return builder.build();
    }

    private static Duration seconds(Object number) {
        return Duration.ofMillis((long) (((Number) number).doubleValue() * 1000));
    }
}
