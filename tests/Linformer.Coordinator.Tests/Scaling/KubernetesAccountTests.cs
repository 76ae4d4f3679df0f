using Linformer.Coordinator.Scaling;

namespace Linformer.Coordinator.Tests.Scaling;

public class KubernetesAccountTests
{
    [Theory]
    [InlineData("10.96.0.1", "https://10.96.0.1:6443/")]
    [InlineData("fd00::1", "https://[fd00::1]:6443/")]
    public async Task Takes_the_server_that_Kubernetes_tells_pods(string host, string server)
    {
        await using var fake = await FakeKubernetes.StartAsync();
        var environment = new Dictionary<string, string> { ["KUBERNETES_SERVICE_HOST"] = host, ["KUBERNETES_SERVICE_PORT"] = "6443" };

        var account = KubernetesAccount.Load(fake.Options() with { Server = null }, environment.GetValueOrDefault);

        account.Server.AbsoluteUri.ShouldBe(server);
        account.Namespace.ShouldBe("training");
    }

    [Fact]
    public async Task Outside_of_a_pod_it_says_so()
    {
        await using var fake = await FakeKubernetes.StartAsync();

        OutsideOfPod(fake.Options() with { Server = null }).ShouldContain("KUBERNETES_SERVICE_HOST");
        OutsideOfPod(fake.Options() with { AccountFolder = "/nowhere" }).ShouldContain("/nowhere");
        Refused(fake.Options() with { Server = new Uri("http://localhost:1") }).ShouldContain("https");
        await File.WriteAllTextAsync(Path.Combine(fake.AccountFolder, "token"), " \n");
        OutsideOfPod(fake.Options()).ShouldContain("token");
    }

    [Fact]
    public async Task Settings_out_of_range_are_refused()
    {
        await using var fake = await FakeKubernetes.StartAsync();
        var options = fake.Options();

        Refused(options with { StatefulSet = "Workers!" }).ShouldContain("'Workers!'");
        Refused(options with { StatefulSet = "../pods/x" }).ShouldContain("'../pods/x'");
        Refused(options with { Namespace = "a/b" }).ShouldContain("'a/b'");
        Refused(options with { Minimum = -1 }).ShouldContain("-1");
        Refused(options with { Maximum = 0 }).ShouldContain("0; 1 to");
        Refused(options with { Minimum = 5, Maximum = 4 }).ShouldContain("4; 5 to");
        Refused(options with { SlotsPerWorker = 0 }).ShouldContain("1 to 1024");
        Refused(options with { IdleTime = TimeSpan.FromSeconds(-1) }).ShouldContain("-1 s");
    }

    private static string OutsideOfPod(ScalingOptions options) => Should.Throw<KubernetesException>(() => KubernetesAccount.Load(options, _ => null)).Message;

    private static string Refused(ScalingOptions options) => Should.Throw<ArgumentException>(() => KubernetesAccount.Load(options, _ => null)).Message;
}
