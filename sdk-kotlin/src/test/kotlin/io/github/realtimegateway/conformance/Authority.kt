package io.github.realtimegateway.conformance

import java.io.File
import java.security.KeyStore
import java.security.cert.CertificateFactory
import javax.net.ssl.SSLContext
import javax.net.ssl.TrustManagerFactory
import javax.net.ssl.X509TrustManager
import okhttp3.OkHttpClient

/** Returns an HTTP client that trusts the authority of a file, and no other. */
internal fun clientOfAuthority(file: String): OkHttpClient {
    val store = KeyStore.getInstance(KeyStore.getDefaultType())
    store.load(null, null)
    val certificate = File(file).inputStream().use { CertificateFactory.getInstance("X.509").generateCertificate(it) }
    store.setCertificateEntry("authority", certificate)
    val factory = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm())
    factory.init(store)
    val context = SSLContext.getInstance("TLS")
    context.init(null, factory.trustManagers, null)
    return OkHttpClient.Builder().sslSocketFactory(context.socketFactory, factory.trustManagers[0] as X509TrustManager).build()
}
