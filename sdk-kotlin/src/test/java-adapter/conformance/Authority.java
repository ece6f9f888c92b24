package conformance;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509TrustManager;
import okhttp3.OkHttpClient;

/** The certificate authority of a scenario. */
final class Authority {
    private Authority() {}

    /** Returns an HTTP client that trusts the authority of a file, and no other. */
    static OkHttpClient client(String file) {
        try (var certificate = Files.newInputStream(Paths.get(file))) {
            var store = KeyStore.getInstance(KeyStore.getDefaultType());
            store.load(null, null);
            store.setCertificateEntry("authority", CertificateFactory.getInstance("X.509").generateCertificate(certificate));
            var factory = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
            factory.init(store);
            var trust = (X509TrustManager) factory.getTrustManagers()[0];
            var context = SSLContext.getInstance("TLS");
            context.init(null, factory.getTrustManagers(), null);
            return new OkHttpClient.Builder().sslSocketFactory(context.getSocketFactory(), trust).build();
        } catch (IOException | GeneralSecurityException failure) {
            throw new IllegalArgumentException(file, failure);
        }
    }
}
