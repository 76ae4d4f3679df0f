namespace Linformer.Cli.Tests;

public sealed class WorkerOptionTests
{
    [Theory]
    [InlineData("--device", "tpu", "'tpu'")]
    [InlineData("--slots", "0", "--slots is 0; allowed are 1 to 1024.")]
    [InlineData("--slots", "1025", "--slots is 1025; allowed are 1 to 1024.")]
    public async Task What_no_slot_can_be_is_refused(string option, string value, string because) => (await ErrorAsync(option, value)).ShouldContain(because);

    [SkippableFact]
    public async Task GPUs_are_refused_where_the_build_has_no_support_for_them()
    {
        Skip.If(Worker.Machines.GpuSupport.IsBuiltIn, "this build has it");
        (await ErrorAsync("--device", "cuda")).ShouldBe("error: GPUs are asked for; this build has no GPU support: ./linformer build --feed nuget --torch cuda makes one that has.\n");
    }

    private static async Task<string> ErrorAsync(params string[] options)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        (await CommandLineApp.RunAsync(CommandLineApp.CreateRoot(), ["worker", "--coordinator", "127.0.0.1:1", .. options], output, error, CancellationToken.None)).ShouldBe(1);
        return error.ToString();
    }
}
