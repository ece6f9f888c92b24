// Signs a token for a user with the secret that it shares with the gateway (HS256).
//
//   export GATEWAY_AUTH__JWT_SECRET="$(openssl rand -base64 48)"      # the same for the gateway
//   kotlinc SignToken.kt -include-runtime -d sign-token.jar
//   java -jar sign-token.jar alice clan123
//
// Prints one JSON line with the token. It uses nothing but the JDK and Kotlin's standard library. In a service of yours:
// sign after the user has signed in, give the token to the app over HTTPS, and keep it short-lived. The app asks for
// another one in time.

import java.time.Duration
import java.time.Instant
import java.util.Base64
import java.util.UUID
import javax.crypto.Mac
import javax.crypto.spec.SecretKeySpec
import kotlin.system.exitProcess

/** How long a token lasts. */
val LIFETIME: Duration = Duration.ofMinutes(10)

/** A text as JSON (RFC 8259, section 7). A service with a JSON library uses that. */
fun json(text: String): String = buildString {
    append('"')
    for (character in text) {
        when {
            character == '"' || character == '\\' -> append('\\').append(character)
            character < ' ' -> append("\\u%04x".format(character.code))
            else -> append(character)
        }
    }
    append('"')
}

private fun encode(bytes: ByteArray): String = Base64.getUrlEncoder().withoutPadding().encodeToString(bytes)

/** A JSON Web Token (RFC 7519) with these claims, a JSON object. */
fun signToken(claims: String, secret: ByteArray): String {
    val signed = encode("""{"alg":"HS256","typ":"JWT"}""".toByteArray()) + "." + encode(claims.toByteArray())
    val mac = Mac.getInstance("HmacSHA256").apply { init(SecretKeySpec(secret, "HmacSHA256")) }
    return signed + "." + encode(mac.doFinal(signed.toByteArray()))
}

fun main(arguments: Array<String>) {
    val user = arguments.firstOrNull()
    val secret = System.getenv("GATEWAY_AUTH__JWT_SECRET").orEmpty()
    if (user == null || secret.length < 32) {
        System.err.println("give a user and clans, and set GATEWAY_AUTH__JWT_SECRET to the gateway's secret, 32 bytes or more")
        exitProcess(1)
    }
    val now = Instant.now()
    val expiresAt = now.plus(LIFETIME).epochSecond
    val claims = buildList {
        add("\"sub\":${json(user)}")
        add("\"iat\":${now.epochSecond}")
        add("\"exp\":$expiresAt")
        add("\"jti\":${json(UUID.randomUUID().toString())}")
        // Needed if the gateway has auth.issuer and auth.audience.
        System.getenv("GATEWAY_AUTH__ISSUER")?.let { add("\"iss\":${json(it)}") }
        System.getenv("GATEWAY_AUTH__AUDIENCE")?.let { add("\"aud\":${json(it)}") }
        add("\"clans\":" + arguments.drop(1).joinToString(",", "[", "]") { json(it) })
    }
    val token = signToken(claims.joinToString(",", "{", "}"), secret.toByteArray())
    println("""{"token":${json(token)},"expiresAt":$expiresAt}""")
}
