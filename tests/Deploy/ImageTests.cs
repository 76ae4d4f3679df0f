using System.Text.Json;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using Deploy.Manifests;

namespace Deploy;

/// <summary>The Dockerfiles, as far as they can be read without a container engine.</summary>
public partial class ImageTests
{
    public static TheoryData<string> Images => ["coordinator", "worker-cpu", "worker-cuda"];

    [Theory, MemberData(nameof(Images))]
    public void Runs_as_nobody_and_says_how_it_is(string image)
    {
        var final = Stages(image)[^1];

        Value(final, "USER").ShouldBe("10001:10001");
        Value(final, "STOPSIGNAL").ShouldBe("SIGTERM");
        Value(final, "VOLUME").ShouldBe("""["/data", "/tmp"]""");
        // Without a shell in between, which would keep SIGTERM for itself.
        List(Value(final, "ENTRYPOINT")).ShouldBe(["/opt/linformer/linformer"]);
        List(Value(final, "HEALTHCHECK").Split(" CMD ")[1]).ShouldBe(["healthcheck", "/healthz"]);
        var version = XDocument.Load(Path.Combine(Repository.Root, "Directory.Build.props")).Descendants("Version").Single().Value;
        Value(final, "LABEL").ShouldContain($"org.opencontainers.image.version=\"{version}\"");
        // The health check asks at the port that the program is told to answer at.
        var health = List(Value(final, "CMD")).Single(argument => argument.StartsWith("--health=", StringComparison.Ordinal)).Split(':')[^1];
        File.ReadAllText(Path.Combine(Repository.Images, "healthcheck.sh")).ShouldContain($"${{2:-{health}}}");
        Value(final, "EXPOSE").Split(' ').ShouldContain(health);
    }

    [Theory, MemberData(nameof(Images))]
    public void Its_arguments_are_the_programs(string image)
    {
        // What a worker cannot know before it is started.
        string[] more = image == "coordinator" ? [] : ["--coordinator=c:7070"];

        Programs.ParseErrors([.. List(Value(Stages(image)[^1], "CMD")), .. more]).ShouldBeEmpty();
    }

    [Theory, MemberData(nameof(Images))]
    public void What_it_copies_is_there_and_reaches_the_build(string image)
    {
        var copied = Stages(image).SelectMany(stage => stage)
            .Where(line => line.StartsWith("COPY ", StringComparison.Ordinal) && !line.Contains("--from="))
            .SelectMany(line => line.Split(' ')[1..^1].Where(word => !word.StartsWith("--", StringComparison.Ordinal)))
            .Where(path => path != ".")
            .ToList();
        var sent = File.ReadLines(Path.Combine(Repository.Root, ".dockerignore")).Where(line => line.StartsWith('!')).Select(line => line[1..]).ToList();

        copied.ShouldNotBeEmpty();
        foreach (var path in copied)
        {
            File.Exists(Path.Combine(Repository.Root, path)).ShouldBeTrue(path);
            sent.ShouldContain(folder => path == folder || path.StartsWith(folder + "/"), path);
        }
    }

    [Fact]
    public void All_that_the_program_is_built_from_reaches_the_build_and_secrets_do_not()
    {
        var lines = File.ReadAllLines(Path.Combine(Repository.Root, ".dockerignore"));

        lines[1].ShouldBe("*");
        foreach (var path in new[] { "src", "compat", "native", "protos", "build", "bench", "Directory.Build.props", "Directory.Packages.props", "Packages.targets", "Directory.Build.targets" })
        {
            lines.ShouldContain("!" + path);
        }

        lines.ShouldContain("**/secrets");
        lines.ShouldNotContain("!deploy");
    }

    [Theory, MemberData(nameof(Images))]
    public void Stages_of_packages_are_in_the_list(string image)
    {
        var known = File.ReadLines(Path.Combine(Repository.Images, "packages.txt")).Where(line => !line.StartsWith('#')).Select(line => line.Split(' ')[0]).ToHashSet();
        // Where a stage needs nothing more for one of the feeds, there is no line of it.
        known.UnionWith(known.SelectMany(stage => new[] { stage.Split('-')[0] + "-compat", stage.Split('-')[0] + "-nuget", stage.Split('-')[0] + "-${FEED}" }).ToList());
        var asked = Stages(image).SelectMany(stage => stage).SelectMany(line => Installed().Matches(line)).SelectMany(match => match.Groups["stages"].Value.Replace("\"", "").Split(' ', StringSplitOptions.RemoveEmptyEntries)).ToList();

        asked.ShouldNotBeEmpty();
        asked.ShouldBeSubsetOf(known);
    }

    /// <summary>An argument from before the first stage is empty in a stage that does not name it.</summary>
    [Theory]
    [InlineData("coordinator")]
    [InlineData("worker-cpu")]
    public void The_feed_is_chosen_with_an_argument(string image)
    {
        var choosing = Stages(image).Where(stage => stage.Exists(line => line.Contains("${FEED}", StringComparison.Ordinal))).ToList();

        File.ReadLines(Path.Combine(Repository.Images, $"{image}.Dockerfile")).ShouldContain("ARG FEED=compat");
        choosing.ShouldNotBeEmpty();
        choosing.ShouldAllBe(stage => stage[1] == "ARG FEED");
        choosing.SelectMany(stage => stage).Single(line => line.Contains("publish.sh", StringComparison.Ordinal)).ShouldContain("publish.sh /opt/linformer \"${FEED}\" cpu");
    }

    [Fact]
    public void The_coordinator_has_no_tensors()
    {
        var all = string.Join('\n', Stages("coordinator")[^1]);

        all.ShouldNotContain("libraries");
        all.ShouldNotContain("collected");
    }

    [Theory, MemberData(nameof(Images))]
    public void Base_images_are_arguments(string image) => Stages(image)
        .Select(stage => stage[0]).Where(line => line.StartsWith("FROM ", StringComparison.Ordinal))
        .ShouldAllBe(line => line.StartsWith("FROM ${", StringComparison.Ordinal) || line == "FROM base-${FEED}");

    /// <summary>Debian 12, on which the stand-in's libtorch is, has a C++ library too old for the package's.</summary>
    [Fact]
    public void Ranks_with_the_real_packages_run_on_a_newer_Debian()
    {
        var lines = File.ReadAllLines(Path.Combine(Repository.Images, "worker-cpu.Dockerfile"));

        lines.ShouldContain("ARG DEBIAN_NUGET=debian:13-slim");
        lines.ShouldContain("FROM ${DEBIAN} AS base-compat");
        lines.ShouldContain("FROM ${DEBIAN_NUGET} AS base-nuget");
        Stages("worker-cpu")[^1][0].ShouldBe("FROM base-${FEED}");
    }

    /// <summary>The stages of a Dockerfile: instructions in whole lines, without comments.</summary>
    private static List<List<string>> Stages(string image)
    {
        var stages = new List<List<string>> { new() };
        var text = string.Join('\n', File.ReadLines(Path.Combine(Repository.Images, $"{image}.Dockerfile")).Where(line => !line.StartsWith('#')));
        foreach (var line in text.Replace("\\\n", " ").Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            if (line.StartsWith("FROM ", StringComparison.Ordinal))
            {
                stages.Add([]);
            }

            stages[^1].Add(line);
        }

        return stages[1..];
    }

    private static string Value(List<string> stage, string instruction) =>
        stage.Last(line => line.StartsWith(instruction + " ", StringComparison.Ordinal))[(instruction.Length + 1)..].Trim();

    private static string[] List(string json) => JsonSerializer.Deserialize<string[]>(json)!;

    [GeneratedRegex(@"install\.sh /tmp/packages\.txt(?<stages>( ""?[a-z]+(-[a-z]+|-\$\{FEED\})?""?)+)", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Installed();
}
